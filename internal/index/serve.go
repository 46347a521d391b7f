package index

import (
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Media types of PEP 691.
const jsonType = "application/vnd.pypi.simple.v1+json"

// Server is a file server on the loopback interface. Below /html/ it serves a site as any static host does; below
// /json/ it prefers index.json for clients that accept it, as PEP 691 describes. /stubs/ holds stand-ins for torch.
type Server struct {
	URL    string
	server *http.Server
	mutex  sync.Mutex
	seen   map[string][]string // wheels by run
}

// Serve starts a server for the site at dir, and for the simple index of stand-ins at stubs.
func Serve(dir, stubs string) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://" + listener.Addr().String(), seen: map[string][]string{}}
	mux := http.NewServeMux()
	mux.Handle("/html/{run}/", s.record(http.FileServer(http.Dir(dir))))
	mux.Handle("/json/{run}/", s.record(preferJSON(dir)))
	mux.Handle("/stubs/", http.StripPrefix("/stubs/", http.FileServer(http.Dir(stubs))))
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(listener) }()
	return s, nil
}

// Close ends the server and its connections.
func (s *Server) Close() error { return s.server.Close() }

// record strips /KIND/RUN and notes the wheels that a run asked for.
func (s *Server) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		run := r.PathValue("run")
		_, rest, _ := strings.Cut(r.URL.Path, "/"+run+"/")
		if strings.HasSuffix(rest, ".whl") && r.Method == http.MethodGet {
			s.mutex.Lock()
			s.seen[run] = append(s.seen[run], path.Base(rest))
			s.mutex.Unlock()
		}
		stripped := r.Clone(r.Context())
		stripped.URL.Path, stripped.URL.RawPath = "/"+rest, ""
		next.ServeHTTP(w, stripped)
	})
}

// wheels lists the wheels that a run asked for, each once.
func (s *Server) wheels(run string) []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(s.seen[run])))
}

func preferJSON(dir string) http.Handler {
	files := http.FileServer(http.Dir(dir))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := path.Join(path.Clean("/"+r.URL.Path), "index.json")
		if !strings.HasSuffix(r.URL.Path, "/") || !strings.Contains(r.Header.Get("Accept"), jsonType) {
			files.ServeHTTP(w, r)
			return
		}
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(page)))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", jsonType)
		_, _ = w.Write(text)
	})
}
