package web

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
)

// maxFiles is how many files one message may carry.
const maxFiles = 20

// outgoing is a message as the composer sends it.
type outgoing struct {
	event, conversation, text string
	files                     []agent.FileRef
}

// send takes a message with its files. Whatever goes wrong, the answer still
// holds what was typed and the files that arrived.
func (s *Server) send(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	out, err := s.readMessage(w, r, by)
	var acc loop.Acceptance
	if err == nil {
		acc, err = s.accept(r, by, out)
	}
	switch {
	case err != nil && (wantsJSON(r) || agent.KindOf(err) == agent.Internal || agent.KindOf(err) == agent.NotFound):
		return err
	case err != nil:
		return s.chat(w, r, by, out.conversation, draft{Text: out.text, Files: out.files, refused: err})
	}
	return s.accepted(w, r, acc)
}

// accept hands the message in, in the place of its conversation.
func (s *Server) accept(r *http.Request, by agent.Actor, out outgoing) (loop.Acceptance, error) {
	in := loop.Incoming{Event: out.event, Conversation: out.conversation, Text: out.text}
	for _, f := range out.files {
		in.Files = append(in.Files, f.ID)
	}
	var err error
	if in.Place, err = s.place(r, by, out.conversation); err != nil {
		return loop.Acceptance{}, err
	}
	return s.Desk.Accept(r.Context(), by, in)
}

// place returns where a conversation the actor takes part in happens.
func (s *Server) place(r *http.Request, by agent.Actor, conversation string) (agent.Place, error) {
	if conversation == "" {
		return agent.Place{}, nil
	}
	turns, err := s.Threads.Recent(r.Context(), by.Workspace, conversation, 1)
	if err != nil {
		return agent.Place{}, err
	}
	if len(turns) == 0 || !turns[0].Place.Readers().Includes(by) {
		return agent.Place{}, agent.Errorf(agent.NotFound, "there is no such conversation")
	}
	return turns[0].Place, nil
}

// accepted leads to the turn that was begun, or that the message answered.
func (s *Server) accepted(w http.ResponseWriter, r *http.Request, acc loop.Acceptance) error {
	if wantsJSON(r) {
		s.json(w, r, http.StatusOK, map[string]string{
			"turn": acc.Turn.ID, "conversation": acc.Turn.Conversation, "url": turnURL(acc.Turn), "event": rand.Text(),
		})
		return nil
	}
	http.Redirect(w, r, turnURL(acc.Turn), http.StatusSeeOther)
	return nil
}

// readMessage reads the composer's form part by part. A file that is too large
// is read to its end and dropped, because a browser that is cut off while it
// sends shows no answer.
func (s *Server) readMessage(w http.ResponseWriter, r *http.Request, by agent.Actor) (outgoing, error) {
	var out outgoing
	r.Body = http.MaxBytesReader(w, r.Body, maxFiles*s.MaxUpload+1<<20)
	form, err := r.MultipartReader()
	if err != nil {
		return out, agent.WrapError(agent.Invalid, err, "the message did not arrive as a form")
	}
	var refused error
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return out, refused
		}
		if err != nil {
			return out, s.cutOff(err)
		}
		if part.FileName() != "" {
			ref, err := s.keep(r, by, out.conversation, part)
			switch {
			case err != nil:
				refused = errors.Join(refused, err)
			case ref.ID != "":
				out.files = append(out.files, ref)
			}
			continue
		}
		if err := out.field(part); err != nil {
			refused = errors.Join(refused, err)
		}
		if len(out.files) > maxFiles {
			return out, agent.Errorf(agent.TooLarge, "a message can carry at most %d files", maxFiles)
		}
	}
}

// field takes one plain field of the form.
func (o *outgoing) field(part *multipart.Part) error {
	value, err := io.ReadAll(io.LimitReader(part, loop.MaxMessage+1))
	if err != nil {
		return agent.WrapError(agent.Invalid, err, "the message did not arrive whole")
	}
	switch part.FormName() {
	case "event":
		o.event = clip(string(value), 100)
	case "conversation":
		o.conversation = string(value)
	case "text":
		o.text = string(value)
	case "file":
		var f agent.FileRef
		if err := json.Unmarshal(value, &f); err != nil {
			return agent.WrapError(agent.Invalid, err, "a file of the message is unknown")
		}
		o.files = append(o.files, f)
	}
	return nil
}

// keep stores a file of the form. An empty file field is no file.
func (s *Server) keep(r *http.Request, by agent.Actor, conversation string, part *multipart.Part) (agent.FileRef, error) {
	return s.store(r, by, conversation, file{part.FileName(), part.Header.Get("Content-Type"), part})
}

// upload stores the request's body as a file, for the script.
func (s *Server) upload(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	q := r.URL.Query()
	if q.Get("name") == "" {
		return agent.Errorf(agent.Invalid, "the file has no name")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxFiles*s.MaxUpload)
	ref, err := s.store(r, by, q.Get("conversation"), file{q.Get("name"), r.Header.Get("Content-Type"), r.Body})
	if err != nil {
		return err
	}
	s.json(w, r, http.StatusOK, ref)
	return nil
}

// file is a file on its way in.
type file struct {
	name, media string
	body        io.Reader
}

func (s *Server) store(r *http.Request, by agent.Actor, conversation string, f file) (agent.FileRef, error) {
	content, err := io.ReadAll(io.LimitReader(f.body, s.MaxUpload+1))
	if err != nil {
		return agent.FileRef{}, s.cutOff(err)
	}
	if int64(len(content)) > s.MaxUpload {
		if _, err := io.Copy(io.Discard, f.body); err != nil {
			return agent.FileRef{}, s.cutOff(err)
		}
		return agent.FileRef{}, s.tooLarge(f.name)
	}
	place, err := s.place(r, by, conversation)
	if err != nil {
		return agent.FileRef{}, err
	}
	return s.Desk.Upload(r.Context(), by, place, clip(f.name, 255), f.media, content)
}

func (s *Server) tooLarge(name string) error {
	return agent.Errorf(agent.TooLarge, "“%s” is larger than %s, the largest file accepted here", clip(visible(name), 80), bytesText(s.MaxUpload))
}

// cutOff says why a body could not be read to its end.
func (s *Server) cutOff(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return agent.WrapError(agent.TooLarge, err, fmt.Sprintf("that is too much at once; one file may have %s", bytesText(s.MaxUpload)))
	}
	return agent.WrapError(agent.Invalid, err, "the upload was cut off; please try again")
}

func (s *Server) stop(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	id := r.PathValue("turn")
	if err := s.Desk.Stop(r.Context(), by, id); err != nil && agent.KindOf(err) != agent.Conflict {
		return err
	}
	return s.back(w, r, "/turns/"+pathEscape(id), map[string]any{"ok": true})
}

func (s *Server) undo(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	acc, err := s.Desk.Undo(r.Context(), by, r.PathValue("key"))
	if err != nil {
		return err
	}
	return s.accepted(w, r, acc)
}
