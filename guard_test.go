package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"bitmend/fixtures"
)

func TestAPanicIsAnOperationalError(t *testing.T) {
	var said strings.Builder
	exit := guarded(&said, func() int { panic("the sky fell") })
	if exit != 8 || !strings.Contains(said.String(), "the sky fell") || !strings.Contains(said.String(), "guard_test.go") {
		t.Errorf("exit status %d, and it said %q", exit, said.String())
	}
	if exit := guarded(&said, func() int { return 5 }); exit != 5 {
		t.Errorf("exit status %d without a panic", exit)
	}
}

func TestWhoStopsARunIsToldWhatIsSaved(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "tree")
	if err := fixtures.Small(1).Write(t.Context(), tree); err != nil {
		t.Fatal(err)
	}
	var out, said strings.Builder
	if exit := run(t.Context(), []string{"bitmend", "protect", tree}, &out, &said); exit != 0 {
		t.Fatalf("exit status %d: %s", exit, said.String())
	}
	for args, want := range map[string]string{
		"protect": "bitmend: protect was stopped (terminated by a person); what was verified is saved, and the next run goes on from there\n",
		"scrub":   "bitmend: scrub was stopped (terminated by a person); what was verified is saved, and the next run goes on from there\n",
		"verify":  "bitmend: verify was stopped (terminated by a person); nothing that it had not finished was changed\n",
	} {
		ctx, stop := context.WithCancelCause(t.Context())
		stop(errors.New("terminated by a person"))
		out.Reset()
		said.Reset()
		exit := run(ctx, []string{"bitmend", args, tree}, &out, &said)
		if exit&32 == 0 || !strings.HasSuffix(said.String(), want) {
			t.Errorf("%s: exit status %d, and it said %q", args, exit, said.String())
		}
	}
}
