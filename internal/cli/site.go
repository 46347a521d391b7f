package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/index"
)

func isURL(site string) bool {
	return strings.HasPrefix(site, "https://") || strings.HasPrefix(site, "http://")
}

// siteManifest reads the list of wheels of a published site, a directory or a URL.
func siteManifest(ctx context.Context, site string) (*index.Manifest, error) {
	if !isURL(site) {
		manifest, err := index.ReadManifest(site)
		if err == nil && len(manifest.Wheels) == 0 {
			err = diag.Usagef(diag.Command("sagebuild", "index", "--output", site), "there is no site at %s", site)
		}
		return manifest, err
	}
	url := strings.TrimSuffix(site, "/") + "/" + index.ManifestFile
	text, err := fetch(ctx, url)
	if err != nil {
		return nil, &diag.Error{Class: diag.Environment, Message: "reading " + url, Err: err, Hint: diag.Command("curl", url)}
	}
	manifest, err := index.ParseManifest(text)
	if err != nil {
		return nil, &diag.Error{Class: diag.Usage, Message: url + " is no list of wheels", Err: err, Hint: "sagebuild resolve --index DIR"}
	}
	return manifest, nil
}

// manifestLimit bounds what a server can make us read.
const manifestLimit = 64 << 20

func fetch(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server says %s", response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, manifestLimit+1))
	if err == nil && len(text) > manifestLimit {
		err = fmt.Errorf("it is larger than %d bytes", manifestLimit)
	}
	return text, err
}
