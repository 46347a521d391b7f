package report

import (
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/matrix"
)

// block is a set of wheels of one package and torch that has every combination of its platforms, CUDAs and Pythons.
type block struct {
	cells     []matrix.Cell
	platforms []string
	cudas     []string // digits
	pythons   []string // digits
}

// blocksOf gathers cells into blocks. It merges first blocks that differ in Pythons alone, then blocks that differ in
// platforms alone, then blocks that differ in CUDAs alone.
func blocksOf(cells []matrix.Cell) []block {
	blocks := make([]block, len(cells))
	for i, cell := range cells {
		blocks[i] = block{[]matrix.Cell{cell}, []string{cell.Platform.Name}, []string{cell.CUDA.Minor().Digits()}, []string{cell.Python.Digits()}}
	}
	blocks = merge(blocks, func(b block) string { return b.platform() + b.cuda() }, func(to *block, b block) { to.pythons = append(to.pythons, b.pythons...) })
	blocks = merge(blocks, func(b block) string { return b.cuda() + b.python() }, func(to *block, b block) { to.platforms = append(to.platforms, b.platforms...) })
	return merge(blocks, func(b block) string { return b.platform() + b.python() }, func(to *block, b block) { to.cudas = append(to.cudas, b.cudas...) })
}

// merge joins the blocks of one package and torch with the same key, in the order of the first of each.
func merge(blocks []block, key func(block) string, join func(to *block, b block)) []block {
	var merged []block
	place := map[string]int{}
	for _, b := range blocks {
		name := b.kind() + key(b)
		at, known := place[name]
		if !known {
			place[name] = len(merged)
			merged = append(merged, b)
			continue
		}
		join(&merged[at], b)
		merged[at].cells = append(merged[at].cells, b.cells...)
	}
	return merged
}

func (b block) first() matrix.Cell { return b.cells[0] }

func (b block) kind() string {
	cell := b.first()
	return cell.Package.Name + " " + cell.TorchWords() + " "
}

func (b block) platform() string { return braces("", b.platforms) + " " }
func (b block) cuda() string     { return braces("", b.cudas) + " " }
func (b block) python() string   { return braces("", b.pythons) + " " + b.tested() + " " }

// targets are the names of the build targets, as a shell expands them:
// linux-sage2-pytorch29-cu{126,128}-python3{10,11}.
func (b block) targets() string {
	cell := b.first()
	name := braces("", b.platforms) + "-" + cell.Package.Name
	if cell.Universal {
		return name + strings.TrimPrefix(cell.Target(), cell.Platform.Name+"-"+cell.Package.Name)
	}
	return name + "-pytorch" + cell.Torch.Minor().Digits() + "-cu" + braces("", b.cudas) + "-python" + braces("3", b.pythons)
}

// wheels are the file names; the tags of Python and platform are in other tables.
func (b block) wheels() string {
	cell := b.first()
	if cell.Universal {
		return strings.Replace(cell.WheelName(), cell.PlatformTag(), "TAG", 1)
	}
	tags := make([]string, len(b.cudas))
	for i, cuda := range b.cudas {
		tags[i] = cell.Torch.Digits() + "." + cuda
	}
	return cell.Package.Distribution + "-" + cell.Package.Version.String() + "-" + braces(cell.Torch.Digits()+".", tags) + "-cpNN-cpNN-TAG.whl"
}

// tested lists the Pythons whose wheels have a test.
func (b block) tested() string {
	if b.first().Universal {
		return "see its tests"
	}
	var pythons []matrix.Version
	for _, cell := range b.cells {
		if len(cell.Runtimes) > 0 && cell.Platform.Name == b.platforms[0] && cell.CUDA == b.first().CUDA {
			pythons = append(pythons, cell.Python)
		}
	}
	if len(pythons) == 0 {
		return "none"
	}
	return words(pythons)
}

func (b block) pythonWords() string {
	if b.first().Universal {
		return b.first().PythonWords()
	}
	var pythons []matrix.Version
	for _, cell := range b.cells[:len(b.pythons)] {
		pythons = append(pythons, cell.Python)
	}
	return words(pythons)
}

func (b block) cudaWords() string {
	var cudas []matrix.Version
	for _, cell := range b.cells {
		if !slices.Contains(cudas, cell.CUDA) {
			cudas = append(cudas, cell.CUDA)
		}
	}
	return words(cudas)
}

// patterns writes targets of builds or of tests, as a shell expands them.
func patterns(m *matrix.Matrix, targets []string) []string {
	wanted := map[string]bool{}
	for _, target := range targets {
		wanted[target] = true
	}
	var builds, tests []matrix.Cell
	var others []string // tests of universal wheels
	for _, cell := range m.Cells() {
		if wanted[cell.Target()] {
			builds = append(builds, cell)
		}
		switch names := cell.TestTargets(); {
		case cell.Universal:
			others = append(others, slices.DeleteFunc(names, func(name string) bool { return !wanted[name] })...)
		case len(names) > 0 && wanted[names[0]]:
			tests = append(tests, cell)
		}
	}
	return slices.Concat(targetPatterns("", builds), targetPatterns("test-", tests), others)
}

func targetPatterns(prefix string, cells []matrix.Cell) []string {
	var names []string
	for _, b := range blocksOf(cells) {
		names = append(names, prefix+b.targets())
	}
	return names
}

// braces writes several words, which all begin with prefix, as a shell expands them.
func braces(prefix string, words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	ends := make([]string, len(words))
	for i, word := range words {
		ends[i] = strings.TrimPrefix(word, prefix)
	}
	return prefix + "{" + strings.Join(ends, ",") + "}"
}
