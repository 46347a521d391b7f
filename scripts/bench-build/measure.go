package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// measurement is what one run of sagebuild cost.
type measurement struct {
	Wall time.Duration
	// CPU is user and system time of the process and of every descendant that was waited for. runc is a child of
	// sagebuild and waits for its container, so that the containers' processes are in it.
	CPU time.Duration
	// Peak is the largest sum, in bytes, of the proportional set sizes of the process and all its descendants, as
	// far as samples five times a second saw it.
	Peak   int64
	Output []byte
}

const sampleEvery = 200 * time.Millisecond

// measure runs a command to its end. What it says on standard error goes to events, and to ours if it fails.
func measure(events io.Writer, name string, args ...string) (measurement, error) {
	var out, said bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, io.MultiWriter(events, &said)
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return measurement{}, err
	}
	sampler := startSampler(cmd.Process.Pid)
	err := cmd.Wait()
	m := measurement{
		Wall: time.Since(start), Peak: sampler.stop(), Output: out.Bytes(),
		CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
	}
	if err != nil {
		_, _ = os.Stderr.Write(said.Bytes()[max(0, said.Len()-8000):])
		return m, fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return m, nil
}

type sampler struct {
	done chan struct{}
	wait sync.WaitGroup
	peak int64
}

func startSampler(pid int) *sampler {
	s := &sampler{done: make(chan struct{})}
	s.wait.Go(func() {
		for {
			s.peak = max(s.peak, treeMemory(pid))
			select {
			case <-s.done:
				return
			case <-time.After(sampleEvery):
			}
		}
	})
	return s
}

func (s *sampler) stop() int64 {
	close(s.done)
	s.wait.Wait()
	return s.peak
}

// treeMemory sums the proportional set sizes of a process and its descendants.
func treeMemory(pid int) int64 {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		if child, parent, ok := readParent(path); ok {
			children[parent] = append(children[parent], child)
		}
	}
	var sum int64
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		sum += proportionalSetSize(queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return sum
}

// readParent reads /proc/PID/stat: "pid (name) state ppid …", where the name may hold spaces and parentheses.
func readParent(path string) (pid, parent int, ok bool) {
	text, err := os.ReadFile(path)
	end := bytes.LastIndexByte(text, ')')
	if err != nil || end < 0 {
		return 0, 0, false // it ended meanwhile
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 2 {
		return 0, 0, false
	}
	pid, first := strconv.Atoi(filepath.Base(filepath.Dir(path)))
	parent, second := strconv.Atoi(fields[1])
	return pid, parent, first == nil && second == nil
}

func proportionalSetSize(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0 // it ended meanwhile
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if number, ok := strings.CutPrefix(line, "Pss:"); ok {
			kilobytes, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(number), " kB"), 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}
