package index

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// browser is a Chromium without a window, which tests drive by its own protocol: messages in JSON, each with a zero
// byte at its end, through two pipes (https://chromedevtools.github.io/devtools-protocol/).
type browser struct {
	testing.TB
	to      io.Writer
	from    *bufio.Reader
	session string
	last    int
}

// newBrowser starts one with an empty page of this size. It skips the test where Chromium is not installed.
func newBrowser(t *testing.T, width, height int) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Skip("Chromium is not installed: scripts/install-tools.sh browser")
	}
	b := &browser{TB: t}
	b.start(program)
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	return b
}

func (b *browser) start(program string) {
	b.Helper()
	hear, to, err := os.Pipe()
	must(b, err)
	from, tell, err := os.Pipe()
	must(b, err)
	cmd := exec.Command(program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--user-data-dir="+b.TempDir(), "--remote-debugging-pipe")
	cmd.ExtraFiles = []*os.File{hear, tell} // it wants these as 3 and 4
	must(b, cmd.Start())
	must(b, errors.Join(hear.Close(), tell.Close()))
	b.to, b.from = to, bufio.NewReader(from)
	b.Cleanup(func() {
		b.session = ""
		b.call("Browser.close", nil, nil)
		_ = cmd.Wait()
		_ = errors.Join(to.Close(), from.Close())
	})
}

type message struct {
	ID        int             `json:"id"`
	SessionID string          `json:"sessionId,omitempty"`
	Method    string          `json:"method"`
	Params    map[string]any  `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     json.RawMessage `json:"error,omitempty"`
}

// call sends one command and waits for its answer; what the browser tells of itself in between is not read.
func (b *browser) call(method string, params map[string]any, result any) {
	b.Helper()
	b.last++
	text, err := json.Marshal(message{ID: b.last, SessionID: b.session, Method: method, Params: params})
	must(b, err)
	_, err = b.to.Write(append(text, 0))
	must(b, err)
	for {
		line, err := b.from.ReadBytes(0)
		must(b, err)
		var answer message
		must(b, json.Unmarshal(line[:len(line)-1], &answer))
		if answer.ID != b.last {
			continue
		}
		if answer.Error != nil {
			b.Fatalf("%s: %s", method, answer.Error)
		}
		if result != nil {
			must(b, json.Unmarshal(answer.Result, result))
		}
		return
	}
}

// run evaluates an expression in the page and stores its value.
func (b *browser) run(expression string, value any) {
	b.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &answer)
	if answer.ExceptionDetails != nil {
		b.Fatalf("%s: %s", expression, answer.ExceptionDetails)
	}
	if value != nil {
		must(b, json.Unmarshal(answer.Result.Value, value))
	}
}

// open loads a page and waits until its script has run.
func (b *browser) open(url string) {
	b.Helper()
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	for range 300 {
		var state string
		if b.run("document.readyState + ' ' + location.href", &state); strings.HasPrefix(state, "complete "+url) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Fatalf("%s does not load", url)
}

// choose answers a question of the page as a person does.
func (b *browser) choose(question, text string) {
	b.Helper()
	arguments, err := json.Marshal([]string{question, text})
	must(b, err)
	b.run(`(([id, text]) => {
		const list = document.getElementById(id);
		if (![...list.options].some(o => o.text === text)) throw new Error(id + " does not offer " + text + " but " + [...list.options].map(o => o.text));
		list.value = text;
		list.dispatchEvent(new Event("change"));
	})(`+string(arguments)+`)`, nil)
}

// click presses the mouse in the middle of an element.
func (b *browser) click(selector string) {
	b.Helper()
	var middle struct{ X, Y float64 }
	name, err := json.Marshal(selector)
	must(b, err)
	b.run(`(() => {
		const element = document.querySelector(`+string(name)+`);
		element.scrollIntoView();
		const box = element.getBoundingClientRect();
		return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
	})()`, &middle)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		b.call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": middle.X, "y": middle.Y, "button": "left", "clickCount": 1}, nil)
	}
}

// screenshot keeps a picture of the whole page where SAGEBUILD_SCREENSHOTS names a directory, for people to look at.
func (b *browser) screenshot(name string) {
	b.Helper()
	dir := os.Getenv("SAGEBUILD_SCREENSHOTS")
	if dir == "" {
		return
	}
	var picture struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &picture)
	content, err := base64.StdEncoding.DecodeString(picture.Data)
	must(b, err)
	must(b, os.WriteFile(dir+"/"+name+".png", content, 0o644))
}
