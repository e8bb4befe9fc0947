package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"

	"github.com/sous-hq/sous/agent"
)

// asset is an embedded file and the hash that its address carries.
type asset struct {
	media, hash string
	content     []byte
}

func loadAssets() (map[string]asset, error) {
	all := map[string]asset{}
	names, err := fs.Glob(staticFiles, "static/*")
	if err != nil {
		return nil, fmt.Errorf("web assets: %w", err)
	}
	for _, name := range names {
		content, err := staticFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("web assets: %w", err)
		}
		sum := sha256.Sum256(content)
		all[path.Base(name)] = asset{media: mime.TypeByExtension(path.Ext(name)), hash: hex.EncodeToString(sum[:6]), content: content}
	}
	return all, nil
}

func (s *Server) assetURL(name string) string { return "/static/" + name + "?v=" + s.assets[name].hash }

// static serves an asset; under its present hash it may be kept for good.
func (s *Server) static(w http.ResponseWriter, r *http.Request) {
	a, ok := s.assets[r.PathValue("file")]
	if !ok {
		s.fail(w, r, agent.Errorf(agent.NotFound, "there is no such file"))
		return
	}
	w.Header().Set("Content-Type", a.media)
	if r.URL.Query().Get("v") == a.hash {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(a.content)
}

func (s *Server) favicon(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, s.assetURL("icon.svg"), http.StatusMovedPermanently)
}
