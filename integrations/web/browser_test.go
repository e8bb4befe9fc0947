package web_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
)

// tab is a tab of a real browser, signed in.
type tab struct {
	*rig
	t   testing.TB
	ctx context.Context //nolint:containedctx // chromedp keeps the browser in it
}

// chromium is one browser for all tests of the package; each test gets a tab
// with cookies of its own.
type chromium struct {
	once sync.Once
	ctx  context.Context //nolint:containedctx // chromedp keeps the browser in it
	stop func()
	err  error
}

var browser chromium

func TestMain(m *testing.M) {
	code := m.Run()
	if browser.stop != nil {
		browser.stop()
	}
	os.Exit(code)
}

func (c *chromium) start() (context.Context, error) {
	c.once.Do(func() {
		path, err := exec.LookPath("chromium")
		if err != nil {
			c.err = errors.New("these tests look at the pages in a real browser: install it with “apt-get install -y --no-install-recommends chromium”")
			return
		}
		options := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
			chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-dev-shm-usage", true))
		alloc, stopProcess := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, stop := chromedp.NewContext(alloc)
		c.ctx, c.stop = ctx, func() { stop(); stopProcess() }
		c.err = chromedp.Do(ctx)
	})
	return c.ctx, c.err
}

// open opens the chat in headless Chromium. With SHOTS set to a folder the
// tests leave pictures there for people to look at.
func open(t *testing.T, width, height int64) *tab {
	t.Helper()
	t.Parallel()
	parent, err := browser.start()
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	ctx, closeTab := chromedp.NewContext(parent, chromedp.WithNewBrowserContext())
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	// The tab goes before the server it talks to.
	t.Cleanup(func() { cancel(); closeTab() })
	b := &tab{rig: r, t: t, ctx: ctx}
	b.run(chromedp.EmulateViewport(width, height))
	if err := chromedp.Listen(ctx, func(ev any) {
		if e, ok := ev.(*runtime.EventExceptionThrown); ok {
			t.Errorf("the script threw: %s", e.ExceptionDetails.Text)
		}
	}); err != nil {
		t.Fatal(err)
	}
	b.run(chromedp.Navigate(r.server.URL+"/?token="+token), seen("#text"))
	return b
}

type action = chromedp.Action[chromedp.Void]

func seen(css chromedp.CSS) action               { return chromedp.WaitVisible(css) }
func types(css chromedp.CSS, text string) action { return chromedp.SendKeys(css, text) }

// click clicks on what is there. What the page replaces between being found and being
// clicked on, as it does with what is live, is looked for again.
func click(css chromedp.CSS) action {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		for n := 0; ; n++ {
			_, err := chromedp.Run(ctx, chromedp.Click(css))
			if err == nil || n == 5 || !strings.Contains(err.Error(), "node with given id") {
				return err
			}
		}
	})
}

// does runs a script for what it does.
func does(script string) action {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[any](script))
		return err
	})
}

// emulates sends one command to the tab.
func emulates[P any](command cdp.Command[P, cdp.Empty], params P) action {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

// says runs a script for what it says.
func says[T any](b *tab, script string) T {
	b.t.Helper()
	for {
		v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script))
		if err == nil {
			return v
		}
		// A page that is just being left cannot be asked.
		if b.ctx.Err() != nil || !strings.Contains(err.Error(), "navigated") && !strings.Contains(err.Error(), "context") {
			b.t.Fatalf("%s: %v", script, err)
		}
	}
}

// press sends a key that the page takes for itself: a browser then types no
// character, while chromedp.KeyEvent would.
func press(key string) action {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
			if _, err := cdp.Call(ctx, t, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: key}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *tab) run(actions ...action) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.shot("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
		b.t.Fatal(err)
	}
}

// until waits until the script expression is true.
func (b *tab) until(what, expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if says[bool](b, "Boolean("+expression+")") {
			return
		}
		if time.Now().After(deadline) {
			text := says[string](b, "document.body.innerText")
			b.shot("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
			b.t.Fatalf("not seen: %s\n%s", what, text)
		}
	}
}

// press clicks until it has shown: a card that takes the place of the one that is
// being clicked takes the click with it, and people press again.
func (b *tab) press(css chromedp.CSS, done string) {
	b.t.Helper()
	for n := 0; n < 5; n++ {
		b.run(click(css))
		for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if says[bool](b, "Boolean("+done+")") {
				return
			}
		}
	}
	b.t.Fatalf("%s was clicked, and not %s", css, done)
}

func (b *tab) shot(name string) {
	dir := os.Getenv("SHOTS")
	if dir == "" {
		return
	}
	if png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot()); err == nil {
		_ = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)
	}
}

// send types a message and presses Enter.
func (b *tab) send(text string) {
	b.t.Helper()
	b.run(types("#text", text), press("Enter"))
}

// attach puts a transcript on the page as a dropped file.
func (b *tab) attach(name string) {
	b.t.Helper()
	b.run(does(`(() => {
		const data = new DataTransfer();
		data.items.add(new File(["WEBVTT\n\n00:01.000 --> 00:02.000\n<v Priya>Hello"], "` + name + `", {type: "text/vtt"}));
		for (const type of ["dragenter", "dragover", "drop"]) dispatchEvent(new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
	})()`))
	b.until("the file on the composer", `document.querySelector("#chips input[name=file]")`)
}

func (b *tab) summarise() {
	b.t.Helper()
	b.attach("design-review.vtt")
	b.send("Summarise this meeting and open tickets for the action items")
	b.until("two approval cards", `document.querySelectorAll(".card.asked").length === 2 && document.querySelector(".turn[data-status=waiting]")`)
}

func TestAMessageIsAnsweredWhileItIsWritten(t *testing.T) {
	b := open(t, 1280, 800)
	b.shot("welcome")
	b.send("good morning")
	b.until("a piece of the answer before its end", `document.querySelector(".stream:not([hidden])") || document.querySelector(".answer")`)
	b.until("the rendered answer", `document.querySelector(".answer strong")?.textContent === "Ann"`)
	b.until("no piece left over", `!document.querySelector(".stream:not([hidden])")`)
	b.send("and again")
	b.until("a second answer in the same conversation", `document.querySelectorAll(".answer").length === 2`)
	b.until("the conversation at the side", `document.querySelector(".side li")`)
	b.until("an empty composer", `document.getElementById("text").value === ""`)
	b.shot("answer")
}

func TestADroppedFileBecomesMinutesAndTicketsAfterAYes(t *testing.T) {
	b := open(t, 1280, 1100)
	b.summarise()
	b.until("arguments marked as untrusted, with their source", `document.querySelector(".card .marked mark") && document.querySelector(".card .sources").textContent.includes("design-review.vtt")`)
	b.until("two that wait", `document.getElementById("pending").textContent === "2"`)
	b.run(does(`document.querySelector(".card").scrollIntoView({block: "center"})`))
	b.shot("cards")
	b.run(click(".card.asked .approve"))
	b.until("the first card locked, saying who", `document.querySelector(".card .locked")?.textContent.includes("Approved by Ann")`)
	b.run(types(".card.asked input[name=comment]", "nobody owns it"), click(".card.asked .deny"))
	b.until("the answer", `document.querySelector(".answer")`)
	b.until("the second card locked with its reason", `[...document.querySelectorAll(".card.denied .locked")].some(p => p.textContent.includes("nobody owns it"))`)
	b.until("a link to the ticket and an undo", `document.querySelector(".changes a")?.textContent === "T-1" && document.querySelector(".changes button")`)
	b.until("minutes with quotes and an action nobody owns", `document.querySelector("details.minutes[open] blockquote") && document.querySelector(".minutes .owner.none")?.textContent === "unassigned"`)
	b.run(does(`document.querySelector(".minutes").scrollIntoView()`))
	b.shot("minutes")
	b.until("nothing more that waits", `document.getElementById("pending").hidden`)
	b.run(does(`document.getElementById("thread").scrollTop = 1e6`))
	b.shot("decided")
	b.run(click(".changes button"))
	b.until("the undo done", `document.querySelectorAll(".answer").length === 2`)
	if got, err := b.tracker.Ticket(b.ctx, "w", "T-1"); err != nil || got.Status != agent.TicketClosed {
		t.Errorf("after the undo the ticket is %+v, %v", got, err)
	}
	b.shot("undone")
	for _, path := range []string{"/tickets", "/tickets/T-1", "/memory", "/effects", "/audit", "/audit/story/T-1", "/pause"} {
		b.run(chromedp.Navigate(b.server.URL+path), seen("h1"))
		b.shot("page" + strings.ReplaceAll(path, "/", "-"))
	}
}

func TestEverythingCanBeDoneByKeyboard(t *testing.T) {
	b := open(t, 1280, 900)
	b.attach("design-review.vtt")
	focused := func(what, selector string) {
		b.until(what+" focused", `document.activeElement?.matches("`+selector+`")`)
	}
	b.run(does(`document.activeElement.blur()`), press("/"))
	focused("the composer", "#text")
	b.run(chromedp.KeyEvent("Summarise"), chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(kb.ModifierShift)), chromedp.KeyEvent("please"))
	b.until("two lines, not sent", `document.getElementById("text").value === "Summarise\nplease"`)
	b.run(press("Enter"))
	b.until("two approval cards", `document.querySelectorAll(".card.asked").length === 2 && document.querySelector(".turn[data-status=waiting]")`)
	b.run(does(`document.activeElement.blur()`))
	for range 40 {
		b.run(chromedp.KeyEvent(kb.Tab))
		if says[bool](b, `document.activeElement.matches(".card")`) {
			break
		}
	}
	focused("a card", ".card")
	b.until("a visible focus", `getComputedStyle(document.activeElement).outlineStyle === "solid"`)
	b.shot("keyboard")
	b.run(press("a"))
	b.until("the first card approved", `document.querySelector(".card .locked")?.textContent.includes("Approved by Ann")`)
	b.run(chromedp.Focus(chromedp.CSS(".card.asked")), press("d"))
	focused("the reason", "input[name=comment]")
	b.run(chromedp.KeyEvent("not this one"), chromedp.KeyEvent(kb.Enter))
	b.until("the second card denied", `document.querySelector(".card.denied .locked")?.textContent.endsWith(": not this one")`)
	b.until("the answer", `document.querySelector(".answer")`)
}

func TestAPhoneShowsEverythingInItsWidth(t *testing.T) {
	b := open(t, 360, 740)
	fits := func(where string) {
		t.Helper()
		b.until("no scrolling of the whole chat", `!document.querySelector(".at-chat") || document.documentElement.scrollHeight <= innerHeight`)
		over := says[string](b, `(() => {
			const bad = [...document.querySelectorAll("body *")].filter(e => !e.closest(".scroll,pre,nav,.unseen,.skip,.side") && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + "." + e.className);
			return document.documentElement.scrollWidth > innerWidth ? "the page is " + document.documentElement.scrollWidth + " wide: " + bad : bad.join(", ");
		})()`)
		if over != "" {
			t.Errorf("%s: %s", where, over)
			b.shot("wide-" + where)
		}
	}
	fits("welcome")
	b.shot("phone-welcome")
	b.summarise()
	fits("cards")
	b.shot("phone-cards")
	b.press(".all button", `!document.querySelector(".all button")`)
	b.until("the answer", `document.querySelector(".answer")`)
	fits("answer")
	b.shot("phone-answer")
	b.run(click(".bar button"))
	b.until("the conversations", `document.querySelector(".side").matches(":popover-open")`)
	b.shot("phone-side")
	for _, path := range []string{"/approvals?view=past", "/tickets", "/tickets/T-1", "/memory", "/effects", "/audit", "/audit/story/T-1", "/pause"} {
		b.run(chromedp.Navigate(b.server.URL+path), seen("h1"))
		fits(path)
	}
	b.shot("phone-audit")
}

func TestInTheDarkThePagesAreDark(t *testing.T) {
	b := open(t, 1280, 1000)
	b.run(emulates(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}}))
	b.summarise()
	b.until("a dark page with light text", `(() => {
		const light = (c) => c.match(/[\d.]+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0);
		const s = getComputedStyle(document.body);
		return light(s.backgroundColor) < 120 && light(s.color) > 600;
	})()`)
	b.shot("dark")
}

func TestARunningTurnCanBeStoppedFromThePage(t *testing.T) {
	b := open(t, 1280, 800)
	b.send("wait for ever")
	b.until("a piece of text and the stop button", `document.querySelector(".stream:not([hidden])") && document.querySelector(".stop")`)
	b.shot("running")
	b.run(click(".stop"))
	b.until("the turn stopped", `document.querySelector(".turn[data-status=stopped] .answer")?.textContent.includes("Stopped")`)
}

func TestAQuestionIsAnsweredInTheComposer(t *testing.T) {
	b := open(t, 1280, 800)
	b.send("which one is late?")
	b.until("the question", `document.querySelector(".question")?.textContent.includes("Which project")`)
	b.send("the blue one")
	b.until("the reply and the answer in one turn", `document.querySelectorAll(".turn").length === 1 && document.querySelector(".answer") && /Which project[^]*the blue one/.test(document.querySelector(".exchange").innerText)`)
	b.shot("question")
}

func TestAFileThatIsTooLargeLosesNothing(t *testing.T) {
	b := open(t, 1280, 800)
	b.run(types("#text", "important words"), does(`(() => {
		const data = new DataTransfer();
		data.items.add(new File([new Uint8Array(1048577)], "big.bin"));
		dispatchEvent(new DragEvent("drop", {dataTransfer: data, cancelable: true}));
	})()`))
	b.until("the limit named", `document.querySelector(".chip.bad small")?.textContent.includes("1 MB")`)
	b.until("the words still there", `document.getElementById("text").value === "important words"`)
	b.shot("too-large")
}

func TestWithoutJavaScriptAMessageIsSentAndDecided(t *testing.T) {
	b := open(t, 1280, 900)
	b.run(emulates(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	v := b.ask(t, "pay them", agent.TurnWaiting)
	b.run(chromedp.Navigate(b.server.URL+"/c/"+v.Conversation), seen(".card.asked"))
	b.shot("no-script")
	b.run(click(".card .approve"), seen(".card .locked"))
	b.decided(t, v.Approvals[0].ID, approval.Spent)
	b.run(types("#text", "hello there"), click("#send"))
	b.run(seen(".turn:nth-of-type(2) .answer"))
}

// decided waits for an approval's state, behind the page.
func (b *tab) decided(t *testing.T, id string, want approval.State) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		a, err := b.db.Approval(context.Background(), "w", id)
		if err == nil && a.State == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("approval is %s, %v; want %s", a.State, err, want)
		}
	}
}

func TestThePagesAskNobodyElseForAnything(t *testing.T) {
	b := open(t, 1280, 800)
	var foreign []string
	var mu sync.Mutex
	if err := chromedp.Listen(b.ctx, func(ev any) {
		if e, ok := ev.(*network.EventRequestWillBeSent); ok && !strings.HasPrefix(e.Request.URL, b.server.URL) {
			mu.Lock()
			defer mu.Unlock()
			foreign = append(foreign, e.Request.URL)
		}
	}); err != nil {
		t.Fatal(err)
	}
	b.run(emulates(network.Enable, network.EnableParams{}))
	b.summarise()
	b.press(".all button", `!document.querySelector(".all button")`)
	b.until("the answer", `document.querySelector(".answer")`)
	b.run(chromedp.Reload(), seen(".answer"))
	mu.Lock()
	defer mu.Unlock()
	if len(foreign) > 0 {
		t.Errorf("asked %q", foreign)
	}
	b.until("an answer of outsiders without links or images", `!document.querySelector(".answer a, .answer img, .answer script") && document.querySelector(".answer").textContent.includes("https://evil.example/leak")`)
}

// another opens one more tab of the same browser, signed in to the same rig.
func (b *tab) another(path string) *tab {
	b.t.Helper()
	ctx, stop := chromedp.NewContext(b.ctx)
	b.t.Cleanup(stop)
	o := &tab{rig: b.rig, t: b.t, ctx: ctx}
	o.run(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(b.server.URL+path), seen("h1"))
	return o
}

func TestACardIsChangedTalkedAboutAndLockedWhereverItIsSeen(t *testing.T) {
	b := open(t, 1280, 1100)
	b.summarise()
	o := b.another("/approvals")
	o.until("both cards in the queue", `document.querySelectorAll(".card.asked").length === 2`)
	o.shot("queue")
	// A question asked in one tab stands on the card in the other, which keeps what is being typed there.
	o.run(types(".card input[name=comment]", "half a thou"))
	b.run(click(".card .say summary"), types(".card .say textarea", "Is the price known?"), click(".card .say button"))
	o.until("the question", `document.querySelector(".card .notes")?.textContent.includes("Is the price known?")`)
	o.until("what was typed", `document.querySelector(".card input[name=comment]").value === "half a thou"`)
	// The first is changed in a form over the page; a mistake is said there.
	b.run(click(".card.asked a.edit"))
	b.until("the form, with the cursor in it", `document.querySelector("dialog[open] .edit-form") && document.activeElement.closest("dialog")`)
	b.shot("edit")
	b.run(does(`document.querySelector('dialog [name="arg.due"]').value = "soon"`), click("dialog .primary"))
	b.until("what is wrong", `document.querySelector("dialog .error")?.textContent.includes("Due must be a day")`)
	b.shot("edit-refused")
	b.run(does(`document.querySelector('dialog [name="arg.due"]').value = "2026-04-01"`), click("dialog .primary"))
	b.until("the form gone, the card closed", `!document.querySelector("dialog[open]") && document.querySelector(".card.superseded")`)
	o.until("one left to decide", `document.querySelectorAll(".card.asked").length === 1 && document.getElementById("pending").textContent === "1"`)
	// The other is decided in the queue, and locks in the chat.
	o.run(click(".card.asked .approve"))
	b.until("the card locked in the chat", `[...document.querySelectorAll(".card .locked")].some(p => p.textContent.startsWith("Approved by Ann"))`)
	b.until("the answer", `document.querySelector(".answer")`)
	o.until("an empty queue", `document.querySelector(".empty")?.textContent.includes("Nothing waits for you")`)
	o.run(chromedp.Navigate(b.server.URL+"/approvals?view=past"), seen(".card"))
	o.shot("past")
	b.run(does(`document.getElementById("thread").scrollTop = 1e6`))
	b.shot("edited")
}

// TestManyWaitingTurnsLeaveThePageAlive is for a browser's few connections to one
// server: a stream for each turn would take them all.
func TestManyWaitingTurnsLeaveThePageAlive(t *testing.T) {
	b := open(t, 1280, 800)
	b.send("pay them")
	b.until("the first card", `document.querySelector(".card.asked")`)
	for range 7 {
		b.send("pay them")
	}
	b.until("eight cards, all waiting", `document.querySelectorAll(".card.asked").length === 8 && document.getElementById("pending").textContent === "8"`)
	b.send("and now?")
	b.until("an answer beside them", `document.querySelector(".turn:last-child .answer strong")?.textContent === "Ann"`)
	b.run(click(".turn:first-child .card .deny"))
	b.until("a decision among them", `document.querySelectorAll(".card.asked").length === 7`)
}
