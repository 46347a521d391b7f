// Command campaign attacks real builds of the default wheel and says what broke: kill -9 at random moments, damaged
// state, full disks, power cuts. Every trial is drawn from the seed and its number, and the journal in the work
// directory makes a campaign that was stopped go on. It begins with a control, which corrupts a wheel on purpose and
// must be reported. docs/reliability.md keeps the last result of each campaign.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/sagebuild/sagebuild/internal/ui"
)

// A campaign is a kind of attack.
type campaign struct {
	name  string
	count int    // trials, where the command line does not say
	what  string // what a trial does, for people
	trial func(w *world, number int) trial
}

var campaigns = []campaign{
	{"kills", 40, "kill -9 of `bake` while it packs and publishes a wheel", killPackaging},
	{"base-kills", 20, "kill -9 of a first `bake` while it makes the base", killBase},
	{"damages", 50, "a file of the state directory truncated, flipped, emptied or deleted before `bake`", damageState},
	{"disks", 20, "`bake` with a full, small, read-only or inode-less disk below dist/, the state or TMPDIR", fillDisk},
	{"cuts", 3, "power cut before and after every sync of publishing wheels, an index and test results", cutPower},
}

func main() {
	options := struct {
		sagebuild, work, page string
		seed                  uint64
		count                 int
	}{}
	flag.StringVar(&options.sagebuild, "sagebuild", "bin/sagebuild", "the `program` that is attacked")
	flag.StringVar(&options.work, "work", "/var/tmp/sagebuild-campaign", "`directory` with 20 GB free for state, sources and the journal")
	flag.StringVar(&options.page, "page", "docs/reliability.md", "`file` whose table receives the totals")
	flag.Uint64Var(&options.seed, "seed", 1, "seed of every random choice")
	flag.IntVar(&options.count, "count", 0, "trials of each campaign (default 40, 20, 50, 20, 3)")
	flag.Usage = usage
	flag.Parse()
	chosen, err := choose(flag.Args())
	if err != nil {
		fail(err)
	}
	w, err := newWorld(options.sagebuild, options.work, options.seed)
	if err != nil {
		fail(err)
	}
	if err := w.run(chosen, options.count); err != nil {
		fail(err)
	}
	if err := writePage(options.page, w.journal.trials); err != nil {
		fail(err)
	}
	if bad := w.journal.bad(); bad > 0 {
		fail(fmt.Errorf("%s with a fault; see %s", ui.Count(bad, "trial"), w.journal.path))
	}
}

func usage() {
	fmt.Fprintf(flag.CommandLine.Output(), "usage: go run ./scripts/campaign [flags] [campaign]...\n\ncampaigns (default: all):\n")
	for _, c := range campaigns {
		fmt.Fprintf(flag.CommandLine.Output(), "  %-12s%d × %s\n", c.name, c.count, c.what)
	}
	fmt.Fprintf(flag.CommandLine.Output(), "\nflags:\n")
	flag.PrintDefaults()
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "campaign: error:", err)
	os.Exit(1)
}

func choose(names []string) ([]campaign, error) {
	if len(names) == 0 {
		return campaigns, nil
	}
	var chosen []campaign
	for _, name := range names {
		at := slices.IndexFunc(campaigns, func(c campaign) bool { return c.name == name })
		if at < 0 {
			return nil, fmt.Errorf("there is no campaign %q; see --help", name)
		}
		chosen = append(chosen, campaigns[at])
	}
	return chosen, nil
}

// run carries out what the journal lacks. An interrupt ends it after the trial that runs.
func (w *world) run(chosen []campaign, count int) error {
	var stop atomic.Bool
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	go func() { <-interrupts; stop.Store(true); signal.Stop(interrupts) }()
	if err := w.control(); err != nil {
		return err
	}
	for _, c := range chosen {
		want := c.count
		if count > 0 {
			want = count
		}
		for number := range want {
			if w.journal.has(c.name, number) {
				continue
			}
			if stop.Load() {
				return fmt.Errorf("stopped; the same command goes on")
			}
			t := c.trial(w, number)
			t.Campaign, t.Number = c.name, number
			if err := w.journal.add(t); err != nil {
				return err
			}
			fmt.Println(t)
		}
	}
	return nil
}

func (t trial) String() string {
	verdict := "ok"
	if len(t.Faults) > 0 {
		verdict = "FAULT: " + strings.Join(t.Faults, "; ")
	}
	return fmt.Sprintf("%s %d: %s: %s: %s", t.Campaign, t.Number, t.What, t.Ended, verdict)
}
