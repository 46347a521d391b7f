package index

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/matrix"
)

// Options say what is published where.
type Options struct {
	Dist   string // directory with wheels
	Output string // the site
	// AllowShrink lets published wheels disappear, Replace lets published wheels change.
	AllowShrink, Replace bool
	URL                  string         // where the site will be served, "" if that is not known
	Publisher            Publisher      // who signed the attestations in Dist; the zero Publisher leaves them out
	Matrix               *matrix.Matrix // names the GPUs of index.html
}

// Result is a published site and how it differs from the one before.
type Result struct {
	Output  string   `json:"output"`
	Wheels  []Entry  `json:"wheels"`
	Sdists  []Entry  `json:"sdists,omitempty"`
	Indexes []string `json:"indexes"` // directories for --index-url, below Output
	Added   []string `json:"added"`
	Changed []string `json:"changed"`
	Removed []string `json:"removed"`
	Kept    int      `json:"kept"`
}

// Build publishes the wheels of a directory. Whenever the process ends, the site is the old one or the new one.
// Errors are of class diag.Mismatch for wheels that cannot be published, and diag.Usage for a site that would lose
// or change a wheel.
func Build(ctx context.Context, options Options) (*Result, error) {
	output, err := realPath(options.Output)
	if err != nil {
		return nil, err
	}
	swap, err := newSwap(output)
	if err != nil {
		return nil, err
	}
	defer swap.close()
	published, err := ReadManifest(output)
	if err != nil {
		return nil, err
	}
	entries, err := scan(ctx, options.Dist, published)
	if err != nil {
		return nil, err
	}
	if err := options.attest(entries, output); err != nil {
		return nil, err
	}
	result := compare(published, newManifest(entries))
	result.Output = options.Output
	if err := options.permit(result); err != nil {
		return nil, err
	}
	s := &site{dir: swap.aside, old: output, dist: options.Dist, url: options.URL, matrix: options.Matrix, entries: entries}
	if err := s.write(ctx); err != nil {
		return nil, fmt.Errorf("writing the site: %w", err)
	}
	return result, swap.publish()
}

// attest gives each entry its provenance object. PEP 740 wants links to these to be whole URLs.
func (o Options) attest(entries []Entry, site string) error {
	for i := range entries {
		if err := entries[i].attest(o.Dist, site, o.Publisher); err != nil {
			return err
		}
		if entries[i].ProvenanceSHA256 != "" && o.URL == "" {
			return diag.Usagef("sagebuild index --url https://HOST/", "%s has attestations, and links to them need the address of the site", entries[i].Filename)
		}
	}
	return nil
}

// realPath follows links, so that a link to a site goes on leading to the site.
func realPath(dir string) (string, error) {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return filepath.Abs(dir)
}

// scan inspects the wheels and sdists of a directory. It takes the facts of a published wheel with the same bytes from the
// manifest. It compares bytes, not times, because reproducible wheels all have the same time.
func scan(ctx context.Context, dist string, published *Manifest) ([]Entry, error) {
	files, err := filepath.Glob(filepath.Join(dist, "*.whl"))
	if err != nil {
		return nil, err
	}
	sdists, err := filepath.Glob(filepath.Join(dist, "*.tar.gz"))
	if err != nil {
		return nil, err
	}
	if files = append(files, sdists...); len(files) == 0 {
		return nil, diag.Usagef("sagebuild bake", "there are no wheels in %s", dist)
	}
	entries, wrong := make([]Entry, len(files)), make([]error, len(files))
	each(len(files), func(i int) {
		if wrong[i] = ctx.Err(); wrong[i] == nil {
			entries[i], wrong[i] = inspectOnce(files[i], published)
		}
	})
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Path(), b.Path()) })
	for _, entry := range entries {
		if isChannel.MatchString(entry.Project) {
			return nil, refused(filepath.Join(dist, entry.Filename), fmt.Errorf("the site has a directory %s of its own", entry.Project))
		}
	}
	return entries, conflicts(entries)
}

// each calls do for 0 to n-1, on all CPUs.
func each(n int, do func(int)) {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		group.Go(func() error { do(i); return nil })
	}
	_ = group.Wait()
}

func inspectOnce(file string, published *Manifest) (Entry, error) {
	inspect := Inspect
	if strings.HasSuffix(file, ".tar.gz") {
		inspect = InspectSdist
	}
	known, ok := published.find(filepath.Base(file))
	if !ok {
		return inspect(file)
	}
	stat, err := os.Stat(file)
	if err != nil {
		return Entry{}, err
	}
	if stat.Size() != known.Size {
		return inspect(file)
	}
	if sum, err := digest.File(file); err != nil || sum == known.SHA256 {
		return known, err
	}
	return inspect(file)
}

func compare(published, current *Manifest) *Result {
	r := &Result{Wheels: current.Wheels, Sdists: current.Sdists, Added: []string{}, Changed: []string{}, Removed: []string{}}
	for _, entry := range current.entries() {
		if !slices.Contains(r.Indexes, entry.Channel.Dir()) {
			r.Indexes = append(r.Indexes, entry.Channel.Dir())
		}
		switch old, ok := published.find(entry.Filename); {
		case !ok:
			r.Added = append(r.Added, entry.Filename)
		case old.SHA256 != entry.SHA256:
			r.Changed = append(r.Changed, entry.Filename)
		default:
			r.Kept++
		}
	}
	for _, entry := range published.entries() {
		if _, ok := current.find(entry.Filename); !ok {
			r.Removed = append(r.Removed, entry.Filename)
		}
	}
	if slices.Contains(r.Indexes, universalDir) {
		r.Indexes = append([]string{RootDir}, r.Indexes...)
	}
	return r
}

// permit refuses changes that break earlier users of the site, because lock files name wheels by URL and hash.
func (o Options) permit(r *Result) error {
	var wrong []error
	if len(r.Removed) > 0 && !o.AllowShrink {
		wrong = append(wrong, diag.Usagef("sagebuild index --allow-shrink", "%s has wheels that %s lacks: %s",
			o.Output, o.Dist, strings.Join(r.Removed, ", ")))
	}
	if len(r.Changed) > 0 && !o.Replace {
		wrong = append(wrong, diag.Usagef("sagebuild index --replace", "%s has other bytes under the names of %s: raise the version, or replace them",
			o.Output, strings.Join(r.Changed, ", ")))
	}
	return errors.Join(wrong...)
}
