package index

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// shim is as much of a browser as the page's script needs: elements with a value, options and listeners.
const shim = `
const elements = {};
const document = { getElementById: id => elements[id] ??= {
  value: "", options: [], listeners: [],
  replaceChildren(...options) { this.options = options; this.value = String(options[0]); },
  addEventListener(_, listener) { this.listeners.push(listener); } } };
const location = { href: "https://example.org/w/index.html" };
function Option(text) { return new String(text); }
const choose = (id, value) => { elements[id].value = value; elements[id].listeners.forEach(l => l()); };
const state = () => ({ pip: elements.pip.textContent, uv: elements.uv.textContent, file: elements.file.href,
  torch: String(elements.torch.value), cuda: elements.cuda.options.map(String), python: elements.python.options.map(String) });
`

type pageState struct {
	Pip, Uv, File, Torch string
	CUDA, Python         []string
}

// The page's own script runs, with real answers to its questions.
func TestPageAnswers(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("the page's script needs node to run here: ", err)
	}
	newer := of280()
	newer.version = "2.10.0"
	universal := sample{version: "2.2.0", tag: "py3-none-linux_x86_64", requires: "torch>=2.4"}
	p := newPlace(t, of280(), newer, cellOf("280.129", "2.8", "39"), cellOf("280.129", "2.8", "310"), cellOf("280.128", "2.8", "312"),
		cellOf("2100.130", "2.10", "314"), cellOf("270.128", "2.7", "39"), universal)
	p.build()
	page := p.read("index.html")
	_, script, _ := strings.Cut(page, "<script>")
	script, _, _ = strings.Cut(script, "</script>")
	program := shim + script + `
const states = [state()];
choose("torch", "2.8"); states.push(state());
choose("cuda", "12.8"); states.push(state());
choose("torch", "any"); states.push(state());
console.log(JSON.stringify(states));`
	out, err := exec.Command(node, "-e", program).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var states []pageState
	must(t, json.Unmarshal(out, &states))
	checkPage(t, states)
}

func checkPage(t *testing.T, states []pageState) {
	t.Helper()
	if s := states[0]; s.Torch != "2.10" || s.Pip != "pip install --index-url https://example.org/w/simple/cu130/torch2.10/ sageattention==2.2.0" {
		t.Errorf("at first: %+v", s)
	}
	if s := states[1]; strings.Join(s.CUDA, " ") != "12.9 12.8" || strings.Join(s.Python, " ") != "3.12 3.10 3.9" ||
		s.Uv != "uv pip install --default-index https://example.org/w/simple/cu129/torch2.8/ sageattention==2.10.0" {
		t.Errorf("torch 2.8: %+v", s)
	}
	if s := states[2]; strings.Join(s.Python, " ") != "3.12" || !strings.Contains(s.File, "280.128-cp312") {
		t.Errorf("CUDA 12.8: %+v", s)
	}
	if s := states[3]; !strings.Contains(s.Pip, "/simple/universal/ ") || strings.Join(s.Python, " ") != "3" {
		t.Errorf("any torch: %+v", s)
	}
}
