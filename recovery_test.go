package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// setNow puts the time into a variable, as a person notes it down.
func setNow(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], time.Now().Format(time.RFC3339Nano))
}

// setField puts a field of the first event of a name in the last output into a
// variable.
func setField(ts *testscript.TestScript, _ bool, args []string) {
	variable, name, field := args[0], args[1], args[2]
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && fields["event"] == name {
			ts.Setenv(variable, render(fields[field]))
			return
		}
	}
	ts.Fatalf("no event %s", name)
}

// onlyOne deletes all files below a directory but the first one.
func onlyOne(ts *testscript.TestScript, _ bool, args []string) {
	first := true
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if first {
			first = false
			return nil
		}
		return os.Remove(path)
	}))
}
