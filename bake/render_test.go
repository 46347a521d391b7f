package bake

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/matrixtest"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// stageText is the part of the Dockerfile from the FROM line of one stage to the next FROM line.
func stageText(t *testing.T, dockerfile []byte, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(string(dockerfile), " AS "+name+"\n")
	if !found {
		t.Fatalf("there is no stage %s", name)
	}
	text, _, _ := strings.Cut(rest, "\nFROM ")
	return text
}

func TestStagesCopyOnlyTheirOwnSources(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	content, err := RenderDockerfile(m, k)
	if err != nil {
		t.Fatal(err)
	}
	copied := regexp.MustCompile(`csrc/device/\S*\.\w+`)
	for _, share := range sharesOf(m, k) {
		sm := share.sm
		text := stageText(t, content, share.stage()+"-compile")
		rest, taken, _ := strings.Cut(text, "\nCOPY --from=kernels-")
		own, shared, _ := strings.Cut(rest, "\nCOPY --from=ptx-") // what needs no PTX does not wait for it
		copies, compile, _ := strings.Cut(own, "\nRUN ")
		var want, sources []string
		for _, source := range share.sources {
			if of, twin := k.TwinOf(m, source, sm); twin {
				files := source.Stem() + ".sm_" + of.Digits() + source.Suffix + ".*"
				if !strings.Contains(taken, " /out/"+files) || !strings.Contains(taken, " relabel --sm "+source.Arch(sm).String()+" ") {
					t.Errorf("SM %s does not take %s over:\n%s", sm, source.File, taken)
				}
				continue
			}
			if of, assembled := source.PTXOf(sm); assembled {
				file := "/out/" + source.Stem() + ".compute_" + of.Digits() + ".ptx"
				if !strings.Contains(shared, " assemble --sm "+sm.String()+" ") || !strings.Contains(shared, file+" "+file+".sha256") {
					t.Errorf("SM %s does not assemble %s", sm, source.File)
				}
				continue
			}
			want = append(append(want, source.Path()), source.Headers...)
			sources = append(sources, source.Path())
		}
		slices.Sort(want)
		got := copied.FindAllString(copies, -1)
		slices.Sort(got)
		if want = slices.Compact(want); !slices.Equal(got, want) {
			t.Errorf("SM %s copies\n%v\nwant\n%v", sm, got, want)
		}
		if got := copied.FindAllString(compile, -1); !slices.Equal(got, sources) {
			t.Errorf("SM %s compiles %v, want %v", sm, got, sources)
		}
		if !strings.Contains(text, " --sm "+share.sources[0].Arch(sm).String()+" ") {
			t.Errorf("SM %s is not what its stage compiles for: %s", sm, compile)
		}
	}
}

// What several SMs assemble is compiled in one stage, for the oldest of them, and from its own sources.
func TestPTXIsMadeOnce(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	content, err := RenderDockerfile(m, k)
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range k.Sources {
		for _, group := range source.PTX {
			text := stageText(t, content, ptxStageName(m, source, group[0]))
			if !strings.Contains(text, "--sm "+group[0].String()+" --ptx-only") || strings.Count(text, " "+source.Path()) != 2 {
				t.Errorf("PTX of %s for SM %s:\n%s", source.File, group[0], text)
			}
		}
	}
	text := stageText(t, content, "ptx-sm86-sage2")
	if strings.Contains(text, "masked") || strings.Contains(text, "family_sm70") {
		t.Errorf("sources of other stages in\n%s", text)
	}
}

// One kernel file that one SM uses must not be an input of any other stage that compiles.
func TestSourceOfOneSMIsInOneStage(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	content, err := RenderDockerfile(m, k)
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range k.Sources {
		if len(source.SMs) != 1 {
			continue
		}
		for _, share := range sharesOf(m, k) {
			has := strings.Contains(stageText(t, content, share.stage()+"-compile"), source.Path())
			if has && share.sm != source.SMs[0] {
				t.Errorf("%s is in the stage %s", source.Path(), share.stage())
			}
		}
	}
}

func TestSuffixIsCompiledApart(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	hopper := m.SMs()[6]
	changed := &kernels.Set{Packages: k.Packages}
	for _, source := range k.Sources {
		if source.Operation() == "attention_fp16" && slices.Contains(source.SMs, hopper) {
			source.SMs = slices.DeleteFunc(slices.Clone(source.SMs), func(s matrix.SM) bool { return s == hopper })
			own := source
			own.File, own.SMs, own.Suffix, own.PTX = "attention_fp16_sm90.cu", []matrix.SM{hopper}, "a", nil
			changed.Sources = append(changed.Sources, own)
		}
		changed.Sources = append(changed.Sources, source)
	}
	content, err := RenderDockerfile(m, changed)
	if err != nil {
		t.Fatal(err)
	}
	text := stageText(t, content, "kernels-sm90-compile")
	for _, want := range []string{"--sm 9.0a ", "--sm 9.0 ", "attention_fp16_sm90.cu"} {
		if !strings.Contains(text, want) {
			t.Errorf("the stage of SM 9.0 lacks %q:\n%s", want, text)
		}
	}
}

func TestRenderingIsDeterministic(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	again, other := matrixtest.Definition(t, sourceDir)
	for name, render := range map[string]func() ([]byte, []byte){
		BakeFile: func() ([]byte, []byte) { a, _ := RenderBake(m, k); b, _ := RenderBake(again, other); return a, b },
		Dockerfile: func() ([]byte, []byte) {
			a, _ := RenderDockerfile(m, k)
			b, _ := RenderDockerfile(again, other)
			return a, b
		},
	} {
		first, second := render()
		if len(first) == 0 || !bytes.Equal(first, second) {
			t.Errorf("%s differs between two runs", name)
		}
		if !bytes.Contains(first[:200], []byte("sagebuild generate")) {
			t.Errorf("%s does not name the command that writes it", name)
		}
	}
}

// Every build argument has a reader and every reader a value: a misspelt one would be silently empty.
func TestArgumentsMeetTheirReaders(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	content, err := RenderDockerfile(m, k)
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^ARG (\w+)`).FindAllSubmatch(content, -1) {
		declared[string(match[1])] = true
	}
	given := planned(t, "test-all", PlanOptions{}).Targets[0].Args
	for name := range given {
		if !declared[name] {
			t.Errorf("no stage reads the argument %s", name)
		}
	}
	for name := range declared {
		if given[name] == "" {
			t.Errorf("the argument %s has no value", name)
		}
	}
}

// BuildKit reads the names of all stages, whichever of them is built: an argument in a name needs a default.
func TestArgumentsOfStageNamesHaveDefaults(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	content, err := RenderDockerfile(m, k)
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^FROM \S*\$\{(\w+)\}`).FindAllSubmatch(content, -1)
	if len(names) < len(m.SMs()) {
		t.Fatalf("%d stages with an argument in their name", len(names))
	}
	for _, name := range names {
		if !regexp.MustCompile(`(?m)^ARG ` + string(name[1]) + `=\S`).Match(content) {
			t.Errorf("the argument %s has no default", name[1])
		}
	}
}
