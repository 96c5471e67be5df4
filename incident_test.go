package main

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// withIncidents adds the commands with which scripts tell incidents:
//
//	site DIR N                  make a site of N pages in DIR
//	deploy DIR N                write other content into the first N pages, as a deployment does
//	encrypt DIR N               overwrite the first N pages with random bytes, as ransomware does
//	sync FROM TO [HOLD]         make TO what FROM is, with its times, as a nightly
//	                            synchronisation does; nothing while the file HOLD is there
//	lags VAULT DIR HOLD         add a lagged store, and a hold command that makes the file HOLD
//	told FILE                   fail unless the last output, times and IDs left out, is FILE
func withIncidents(commands map[string]func(ts *testscript.TestScript, neg bool, args []string)) map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	maps.Copy(commands, map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"site": func(ts *testscript.TestScript, _ bool, args []string) {
			eachPage(ts, args, func(path string, i int) {
				ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
				ts.Check(os.WriteFile(path, page(i, "as it should be"), 0o644))
				at := time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC)
				ts.Check(os.Chtimes(path, at, at))
			})
		},
		"deploy": func(ts *testscript.TestScript, _ bool, args []string) {
			eachPage(ts, args, func(path string, i int) {
				ts.Check(os.WriteFile(path, page(i, "undefined"), 0o644))
			})
		},
		"encrypt": func(ts *testscript.TestScript, _ bool, args []string) {
			eachPage(ts, args, func(path string, i int) {
				random := make([]byte, 4096)
				rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)}).Read(random)
				ts.Check(os.WriteFile(path, random, 0o644))
			})
		},
		"sync": syncTrees,
		"lags": addLagged,
		"told": told,
	})
	return commands
}

func page(i int, what string) []byte {
	return fmt.Appendf(nil, "<html><body><h1>Page %d</h1>%s</body></html>\n", i, strings.Repeat("<p>"+what+"</p>\n", 20))
}

func eachPage(ts *testscript.TestScript, args []string, do func(path string, i int)) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	for i := range n {
		do(filepath.Join(ts.MkAbs(args[0]), fmt.Sprintf("www/%02d/page-%04d.html", i%50, i)), i)
	}
}

func addLagged(ts *testscript.TestScript, _ bool, args []string) {
	file := filepath.Join(ts.MkAbs(args[0]), "bitmend.toml")
	config := ts.ReadFile(file)
	held := regexp.MustCompile(`(?m)^# command = .*$`).ReplaceAllLiteralString(config, fmt.Sprintf("command = [\"touch\", %q]", ts.MkAbs(args[2])))
	if held == config {
		ts.Fatalf("the configuration has no example of a hold command")
	}
	held += fmt.Sprintf("\n[[store]]\nname = %q\nurl = %q\nrole = \"lagged\"\nlag = \"168h\"\n", args[1], ts.MkAbs(args[1]))
	ts.Check(os.WriteFile(file, []byte(held), 0o644))
}

func syncTrees(ts *testscript.TestScript, _ bool, args []string) {
	from, to := ts.MkAbs(args[0]), ts.MkAbs(args[1])
	if len(args) > 2 {
		if _, err := os.Stat(ts.MkAbs(args[2])); err == nil {
			ts.Logf("held: nothing is synchronised")
			return
		}
	}
	ts.Check(os.MkdirAll(to, 0o755))
	ts.Check(filepath.WalkDir(to, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(to, path)
		if err != nil {
			return err
		}
		if _, err := os.Lstat(filepath.Join(from, name)); err != nil {
			return os.Remove(path)
		}
		return nil
	}))
	ts.Check(filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return syncOne(path, filepath.Join(to, name), entry)
	}))
}

// syncOne copies what is newer or of another size.
func syncOne(from, to string, entry fs.DirEntry) error {
	if entry.IsDir() {
		return os.MkdirAll(to, 0o755)
	}
	info, err := entry.Info()
	if err != nil {
		return err
	}
	if there, err := os.Lstat(to); err == nil && there.Size() == info.Size() && there.ModTime().Equal(info.ModTime()) {
		return nil
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, content, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// varying is what differs from run to run, and what stands for it.
var varying = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`[0-9a-f]{64}`), "ID"},
	{regexp.MustCompile(`, [0-9.,]+ [KMGT]?i?B in [0-9.hms ]+s( \([^)]*\))?`), ", BYTES in TIME"},
	{regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9.]+Z)?`), "DATE"},
	{regexp.MustCompile(`([0-9]+ seconds?|1 minute) (ago|from now)`), "AGO"},
}

func told(ts *testscript.TestScript, _ bool, args []string) {
	got := strings.ReplaceAll(ts.ReadFile("stdout"), ts.Getenv("WORK")+string(filepath.Separator), "")
	for _, v := range varying {
		got = v.what.ReplaceAllString(got, v.with)
	}
	if dir := os.Getenv("BITMEND_TOLD"); dir != "" { // to write the script anew
		ts.Check(os.WriteFile(filepath.Join(dir, args[0]), []byte(got), 0o644))
		return
	}
	if want := ts.ReadFile(args[0]); got != want {
		ts.Fatalf("%s is told otherwise:\n%s", args[0], got)
	}
}
