package meetings_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools/meetings"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t testing.TB, name string) meetings.Transcript {
	t.Helper()
	tr, err := meetings.Parse(name, read(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return tr
}

func TestEveryExportFormatIsRead(t *testing.T) {
	for _, c := range []struct {
		file, format, title, date string
		people                    []string
		cues                      []agent.Cue
	}{
		{
			"teams.vtt", "webvtt", "teams", "",
			[]string{"Priya Nair", "Tom O'Neill"},
			[]agent.Cue{
				{ID: 1, Start: 3.12, Speaker: "Priya Nair", Text: "The invoices of April are late again."},
				{ID: 2, Start: 7, Speaker: "Tom O'Neill", Text: "I'm going to call the bank & ask."},
				{ID: 3, Start: 9.5, Speaker: "Priya Nair", Text: "Thank you."},
				{ID: 4, Start: 9.5, Speaker: "Tom O'Neill", Text: "No problem."},
			},
		},
		{
			"captions.srt", "srt", "captions", "",
			[]string{"Dana", "Eli"},
			[]agent.Cue{
				{ID: 1, Start: 1, Speaker: "Dana", Text: "The garden wall needs repair."},
				{ID: 2, Start: 4.5, Speaker: "Eli", Text: "Let me call the mason. Dial 5"},
				{ID: 3, Start: 8.5, Speaker: "Dana", Text: "Fine."},
			},
		},
		{
			"meet.txt", "text", "Library opening hours (2024-06-04 at 14:00 GMT+2) - Transcript", "2024-06-04",
			[]string{"Femi Ade", "Grace Hall"},
			[]agent.Cue{
				{ID: 1, Start: 0, Speaker: "Femi Ade", Text: "People ask for Sunday hours."},
				{ID: 2, Start: -1, Speaker: "Grace Hall", Text: "We could open from noon. It would need two more volunteers."},
				{ID: 3, Start: 300, Speaker: "Femi Ade", Text: "I will ask the volunteers."},
			},
		},
		{
			"above.txt", "text", "above", "",
			[]string{"Hana Sato", "Ivo Kral"},
			[]agent.Cue{
				{ID: 1, Start: 3, Speaker: "Hana Sato", Text: "The choir needs a new room."},
				{ID: 2, Start: 9, Speaker: "Ivo Kral", Text: "The school offered theirs. For free."},
				{ID: 3, Start: 15, Speaker: "Hana Sato", Text: "Let's take it."},
			},
		},
		{
			"plain.txt", "text", "Garden committee", "2024-05-03",
			[]string{"Ann", "Bob"},
			[]agent.Cue{
				{ID: 1, Start: 723, Speaker: "Ann", Text: "Who waters the tomatoes?"},
				{ID: 2, Start: 13, Speaker: "Bob", Text: "I can do it on Monday."},
				{ID: 3, Start: -1, Speaker: "Ann", Text: "Note that the tap is at https://example.org/tap: behind the shed."},
			},
		},
		{
			"lines.jsonl", "json", "lines", "",
			[]string{"Ann", "Bob"},
			[]agent.Cue{
				{ID: 1, Start: 1.5, Speaker: "Ann", Text: "The boat leaks."},
				{ID: 2, Start: 4, Speaker: "Bob", Text: "I'll patch it."},
			},
		},
		{
			"captions.sbv", "text", "captions", "",
			[]string{"Ann", "Bob"},
			[]agent.Cue{
				{ID: 1, Start: 1, Speaker: "Ann", Text: "The train is late."},
				{ID: 2, Start: 3.5, Speaker: "Bob", Text: "Then we start at ten."},
			},
		},
	} {
		t.Run(c.file, func(t *testing.T) {
			got := parse(t, c.file)
			if got.Format != c.format || got.Title != c.title || got.Date != c.date {
				t.Errorf("format, title, date = %q %q %q; want %q %q %q", got.Format, got.Title, got.Date, c.format, c.title, c.date)
			}
			if !slices.Equal(got.Participants, c.people) {
				t.Errorf("participants = %q; want %q", got.Participants, c.people)
			}
			if !slices.Equal(got.Cues, c.cues) {
				t.Errorf("cues = %+v\nwant   %+v", got.Cues, c.cues)
			}
		})
	}
}

func TestSmallerForms(t *testing.T) {
	for _, c := range []struct{ name, content, speaker, text string }{
		{"a JSON array", `[{"name":"Ann","message":"Hello there"}]`, "Ann", "Hello there"},
		{"an object with a transcript", `{"title":"T","transcript":[{"speaker":{"name":"Ann"},"sentence":"Hello"}]}`, "Ann", "Hello"},
		{"a Zoom chat", "00:21:14\tAnn Lee:\tHello there\n", "Ann Lee", "Hello there"},
		{"the newer Zoom chat", "00:36:42 From Ann Lee to Everyone: Cockpit\n", "Ann Lee", "Cockpit"},
		{"lower-case nicks", "ann: hello\nbob: hi\nann: so\nbob: yes\n", "ann", "hello"},
		{
			"a title with brackets", "Hon. Bill Blair (Minister of Public Safety and Emergency Preparedness): Thank you.\n",
			"Hon. Bill Blair (Minister of Public Safety and Emergency Preparedness)", "Thank you.",
		},
		{"nested brackets", "The Chair (Hon. A. Rota (Nipissing, Lib.)): Order.\n", "The Chair (Hon. A. Rota (Nipissing, Lib.))", "Order."},
		{"a name with its time above the words", "Ann Lee  0:03\nHello there\n\nBob  0:05\nHi\n", "Ann Lee", "Hello there"},
		{"no speakers", "we should paint the fence\nit looks bad\n", "", "we should paint the fence"},
		{"a VTT without names", "WEBVTT\n\n00:01.000 --> 00:02.000\nhello there\n", "", "hello there"},
		{"a VTT cue that looks like markup", "WEBVTT\n\n00:01.000 --> 00:02.000\nNOTE this well\n", "", "NOTE this well"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := meetings.Parse("x.txt", []byte(c.content))
			if err != nil {
				t.Fatal(err)
			}
			if got.Cues[0].Speaker != c.speaker || got.Cues[0].Text != c.text {
				t.Errorf("first cue = %+v", got.Cues[0])
			}
		})
	}
}

func TestEncodingsAreRecognised(t *testing.T) {
	const text = "Zoë: The café is “closed”.\nBob: Right.\n"
	utf16le, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	utf16be, _ := unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder().String(text)
	bare, _ := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewEncoder().String(text)
	win, _ := charmap.Windows1252.NewEncoder().String(text)
	for name, content := range map[string]string{
		"UTF-8": text, "UTF-8 with BOM": "\uFEFF" + text, "UTF-16 LE": utf16le, "UTF-16 BE": utf16be,
		"UTF-16 without BOM": bare, "Windows-1252": win, "CRLF": strings.ReplaceAll(text, "\n", "\r\n"),
	} {
		got, err := meetings.Parse("x.txt", []byte(content))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Cues[0].Speaker != "Zoë" || got.Cues[0].Text != "The café is “closed”." {
			t.Errorf("%s: %+v", name, got.Cues[0])
		}
		if warned := len(got.Warnings) > 0; warned != (name == "Windows-1252") {
			t.Errorf("%s: warnings %q", name, got.Warnings)
		}
	}
}

func TestBadFilesGetAnErrorPeopleCanActOn(t *testing.T) {
	for _, c := range []struct {
		name, content string
		kind          agent.Kind
		says          string
	}{
		{"empty", "", agent.Invalid, "empty"},
		{"blank", " \n\t\n", agent.Invalid, "empty"},
		{"only a BOM", "\uFEFF\n", agent.Invalid, "empty"},
		{"PNG", "\x89PNG\r\n\x1a\n....", agent.Invalid, "picture"},
		{"PDF", "%PDF-1.7 ...", agent.Invalid, "PDF"},
		{"docx", "PK\x03\x04....", agent.Invalid, "Office"},
		{"NUL bytes", "Ann: he\x00\x00\x00llo\nBob: x", agent.Invalid, "binary"},
		{"noise", "\xff\x01\x02\x03\x04\x05\x06\x07\x08\x0e\x0f\xc3", agent.Invalid, "binary"},
		{"WebVTT without cues", "WEBVTT\n\nNOTE nothing\n", agent.Invalid, "no cues"},
		{"cues without text", "WEBVTT\n\n00:01.000 --> 00:02.000\n\n", agent.Invalid, "no cues"},
		{"JSON without utterances", `{"a":1}`, agent.Invalid, "no utterances"},
		{"broken JSON", `{"speaker":"Ann"`, agent.Invalid, "no utterances"},
		{"headers only", "Title: x\nDate: 2024-01-01\n", agent.Invalid, "no utterances"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := meetings.Parse("x.vtt", []byte(c.content))
			if agent.KindOf(err) != c.kind || !strings.Contains(agent.PublicText(err), c.says) {
				t.Errorf("got %v (%v); want %v saying %q", err, agent.KindOf(err), c.kind, c.says)
			}
		})
	}
	_, err := meetings.Options{MaxBytes: 10}.Parse("x.txt", []byte("Ann: hello there"))
	if agent.KindOf(err) != agent.TooLarge || !strings.Contains(err.Error(), "10") {
		t.Errorf("a file over the limit: %v", err)
	}
}

func TestACutFileYieldsTheCuesBeforeTheCut(t *testing.T) {
	whole := string(read(t, "zoom.vtt"))
	for _, end := range []string{"00:00:30.000 --> 00:0", "00:00:30.000 --> 00:00:35.000", "\n7\n"} {
		i := strings.Index(whole, end) + len(end)
		got, err := meetings.Parse("zoom.vtt", []byte(whole[:i]))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Cues) != 6 || got.Cues[5].Text != "Sure, I'll send it first thing." {
			t.Errorf("cut at %q: %d cues", end, len(got.Cues))
		}
		if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "middle of a cue") {
			t.Errorf("cut at %q: warnings %q", end, got.Warnings)
		}
	}
	broken := strings.Replace(whole, "00:00:11.500 -->", "00:zz -->", 1)
	got, err := meetings.Parse("zoom.vtt", []byte(broken))
	if err != nil || len(got.Cues) != 7 || !strings.Contains(strings.Join(got.Warnings, " "), "1 cues") {
		t.Errorf("one broken time: %v, %d cues, %q", err, len(got.Cues), got.Warnings)
	}
}

func TestDatesComeFromTheFileOrItsNameOnly(t *testing.T) {
	for _, c := range []struct{ name, content, date, title string }{
		{"2024-05-03 weekly-sync.txt", "Ann: hi\n", "2024-05-03", "weekly sync"},
		{"standup_20240503.vtt", "Ann: hi\n", "2024-05-03", "standup"},
		{"GMT20200924-163516_Recording.transcript.vtt", "Ann: hi\n", "2020-09-24", "Recording"},
		{"call-5551234567.txt", "Ann: hi\n", "", "call"},
		{"20241399.txt", "Ann: hi\n", "", "20241399"},
		{"2024-05-03 to 2024-05-09.txt", "Ann: hi\n", "", "to"},
		{"x.txt", "Ann: we met on 2024-05-03\n", "", "x"},
		{"x.txt", "Date: May 3, 2024\nAnn: hi\n", "2024-05-03", "x"},
		{"x.txt", "Meeting date: 3rd of May 2024\n\nAnn: hi\n", "2024-05-03", "x"},
		{"x.txt", "# Budget talk\n\nAnn: hi\n", "", "Budget talk"},
		{"x.vtt", "WEBVTT - Budget talk\n\nNOTE 2024-05-03T10:00:00Z\n\n00:01.000 --> 00:02.000\nAnn: hi\n", "2024-05-03", "Budget talk"},
	} {
		got, err := meetings.Parse(c.name, []byte(c.content))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got.Date != c.date || got.Title != c.title {
			t.Errorf("%s: date %q title %q; want %q %q", c.name, got.Date, got.Title, c.date, c.title)
		}
	}
}

func TestAForeignLanguageIsSaid(t *testing.T) {
	german := strings.Repeat("Anna: Ich glaube, dass wir das nicht mit dem alten Plan machen und es auch nicht wollen.\n", 4)
	got, err := meetings.Parse("x.txt", []byte(german))
	if err != nil || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "German") {
		t.Errorf("German: %v %q", err, got.Warnings)
	}
	russian := strings.Repeat("Анна: Мы думаем, что это хороший план для нас.\n", 4)
	got, err = meetings.Parse("x.txt", []byte(russian))
	if err != nil || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "Latin") || got.Participants[0] != "Анна" {
		t.Errorf("Russian: %v %q", err, got.Warnings)
	}
	if w := parse(t, "zoom.vtt").Warnings; len(w) != 0 {
		t.Errorf("English: %q", w)
	}
}

func TestTurnsMergeNeighboursOfOneSpeaker(t *testing.T) {
	turns := meetings.Turns([]agent.Cue{
		{ID: 1, Start: 1, Speaker: "Ann", Text: "One."},
		{ID: 2, Start: 2, Speaker: "Ann", Text: "Two."},
		{ID: 3, Start: 3, Speaker: "Bob", Text: "Three."},
		{ID: 4, Text: "Four."},
		{ID: 5, Text: "Five."},
	})
	if len(turns) != 4 || turns[0].Text != "One. Two." || !slices.Equal(turns[0].Cues, []int{1, 2}) || turns[0].Start != 1 {
		t.Errorf("turns = %+v", turns)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds")
	}
	for _, path := range files {
		f.Add(filepath.Base(path), read(f, filepath.Base(path)))
	}
	f.Add("x", []byte("WEBVTT\n\nRegion: id\n\n00:00.000 --> 00:01.000 region:x\n<v A>b<v C>d\n"))
	f.Add("x", []byte("1\n0:0:0,0 --> 99:99:99,999\n<b\n2\n-->\n"))
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		got, err := meetings.Options{MaxBytes: 1 << 20}.Parse(name, content)
		if err != nil {
			if k := agent.KindOf(err); k != agent.Invalid && k != agent.TooLarge {
				t.Fatalf("error of kind %v: %v", k, err)
			}
			return
		}
		for i, c := range got.Cues {
			if c.ID != i+1 || c.Text == "" || strings.ContainsAny(c.Text+c.Speaker, "\n\r") {
				t.Fatalf("cue %+v", c)
			}
		}
		meetings.Parts(got, 200)
	})
}
