package base

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/google/go-containerregistry/pkg/compression"

	"github.com/sagebuild/sagebuild/internal/ui"
)

const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// writeLayout writes an OCI layout to dir that holds one image of one layer, the tar file at tarPath, for an
// architecture.
func writeLayout(dir, tarPath, architecture string, epoch int64) error {
	// Fast zstd: a layer is written once, read by BuildKit once, and kept.
	layer, err := tarball.LayerFromFile(tarPath, tarball.WithCompression(compression.ZStd),
		tarball.WithCompressionLevel(1), tarball.WithMediaType(types.OCILayerZStd))
	if err != nil {
		return fmt.Errorf("reading the layer: %w", err)
	}
	image, err := oneLayerImage(layer, architecture, epoch)
	if err != nil {
		return err
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	return path.AppendImage(image)
}

func oneLayerImage(layer v1.Layer, architecture string, epoch int64) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: "sagebuild"}})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture
	config.Created = v1.Time{Time: time.Unix(epoch, 0).UTC()}
	config.Config.Env = []string{searchPath}
	return mutate.ConfigFile(image, config)
}

// readLayout finds the one image of the layout at dir. A file that is missing or has another size is an error.
func readLayout(dir string) (Layout, error) {
	if _, err := os.Stat(dir); err != nil {
		return Layout{}, err
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return Layout{}, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return Layout{}, err
	}
	if len(manifest.Manifests) != 1 {
		return Layout{}, fmt.Errorf("layout %s holds %s, want one", dir, ui.Count(len(manifest.Manifests), "image"))
	}
	image, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		return Layout{}, err
	}
	if err := checkSizes(dir, image, manifest.Manifests[0]); err != nil {
		return Layout{}, err
	}
	return Layout{Dir: dir, Digest: manifest.Manifests[0].Digest.String()}, nil
}

// checkSizes compares the size of each file of an image with what its descriptor says.
func checkSizes(dir string, image v1.Image, descriptor v1.Descriptor) error {
	manifest, err := image.Manifest()
	if err != nil {
		return err
	}
	for _, blob := range append(manifest.Layers, manifest.Config, descriptor) {
		info, err := os.Stat(filepath.Join(dir, "blobs", blob.Digest.Algorithm, blob.Digest.Hex))
		if err != nil {
			return err
		}
		if info.Size() != blob.Size {
			return fmt.Errorf("layout %s: %s has %s, not %d", dir, blob.Digest, ui.Count(info.Size(), "byte"), blob.Size)
		}
	}
	return nil
}
