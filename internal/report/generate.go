// Package report writes what people and other programs read: BUILD_MATRIX.md, the summary of a run, and the
// list that a GitHub Actions matrix job fans out over.
package report

import (
	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// MatrixFile is the generated overview for people, below the source directory.
const MatrixFile = "BUILD_MATRIX.md"

// Generate renders every committed file that `sagebuild generate` writes, by its path below the source
// directory. The bytes depend on the matrix and the kernels alone.
func Generate(m *matrix.Matrix, k *kernels.Set) (map[string][]byte, error) {
	bakefile, err := bake.RenderBake(m, k)
	if err != nil {
		return nil, err
	}
	dockerfile, err := bake.RenderDockerfile(m, k)
	if err != nil {
		return nil, err
	}
	files := k.Generate()
	files[bake.BakeFile] = bakefile
	files[bake.Dockerfile] = dockerfile
	files[MatrixFile] = BuildMatrix(m, k)
	return files, nil
}
