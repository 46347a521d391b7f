package main

import (
	"os/exec"
	"regexp"
	"strings"
)

// cutTests are the tests that cut a copied disk before and after each sync, by package; each also runs without syncs,
// and fails if nothing breaks then.
var cutTests = []string{"./internal/sums", "./internal/index", "./internal/run"}

var cutsMade = regexp.MustCompile(`\d+ cuts, syncs: \w+, \d+ broken`)

// cutPower runs the tests of one package and reports how many cuts they made.
func cutPower(_ *world, number int) (t trial) {
	pkg := cutTests[number%len(cutTests)]
	t.What = "power cuts in " + pkg
	out, err := exec.Command("go", "test", "-count=1", "-v", "-run", "PowerCut", pkg).CombinedOutput()
	made := cutsMade.FindAllString(string(out), -1)
	if err != nil || len(made) == 0 {
		t.fault("%v: %s", err, lastLines(string(out)))
	}
	t.Ended = strings.Join(made, "; ")
	return t
}
