// Package verify checks files against checksum lists that others made: every
// list that is given or found, every checksum of each, in one read of each
// file. It needs no vault.
//
// It knows nothing of the catalog and repairs nothing. How lists are written
// is known to package manifest; what a run says is told to a Reporter.
package verify

import (
	"context"
	"errors"
	"runtime"
	"time"

	"bitmend/hashsets/manifest"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
)

// Options say what is verified.
type Options struct {
	Paths []string // lists, and folders that are searched for lists; none for the working directory
	Root  string   // the folder that the names in lists given by name are below; "" for the folder of each list

	Read manifest.Options // how lists are to be read; ListName, Version and Encoding are found out

	AllowExtra    bool // files that no list covers are no failure
	IgnoreMissing bool // files that are not there are not asked for

	// Only limits the run to some files: it is told the full path of a file, and
	// those of the lists that speak of it. nil for all.
	Only func(path string, lists []string) bool

	NoneIsFine bool // Only may leave nothing to check: that is a success then

	Workers int // files read at once; 0 to choose
}

// Reporter is told what a run finds, from one goroutine.
type Reporter interface {
	// Result tells of one file, or of a problem with a list: of all of them,
	// the good ones too.
	Result(r *Result)
	// Note is a sentence for people.
	Note(format string, args ...any)
	// Summary closes the run.
	Summary(s *Summary)
}

// Summary closes a run. Every figure was counted once.
type Summary struct {
	report.Summary
	Lists  []*List          // in the order in which they were read
	Counts map[Status]int64 // entries by status, and what no list speaks of
}

// Run verifies. The error says that the run could not do its work; what is
// wrong with files and lists is told to rep.
func Run(ctx context.Context, opts Options, rep Reporter) (*Summary, error) {
	started := time.Now()
	if opts.Workers == 0 {
		opts.Workers = 4 * runtime.GOMAXPROCS(0)
	}
	if len(opts.Paths) == 0 {
		opts.Paths = []string{"."}
	}
	r := &run{opts: opts, rep: rep, table: newTable(), roots: newRoots()}
	r.sum.Verb = "verify"
	r.sum.Verdicts = map[finding.Verdict]int64{}
	r.sum.Counts = map[Status]int64{}
	defer r.roots.close()
	err := r.work(ctx)
	switch {
	case errors.Is(err, context.Canceled):
		r.sum.Cancelled = true
	case err != nil:
		r.sum.Failed = true
	}
	r.conclude(started)
	r.sum.Exit = int(r.exit())
	rep.Summary(&r.sum)
	return &r.sum, err
}

// conclude sums up what was counted.
func (r *run) conclude(started time.Time) {
	r.sum.Lists = r.table.lists
	r.sum.Elapsed = time.Since(started)
	r.sum.BytesRead = r.sum.Bytes
	for _, l := range r.sum.Lists {
		r.sum.Summary.Lists = append(r.sum.Summary.Lists, l.count())
	}
	r.sum.Statuses = map[string]int64{}
	for status, n := range r.sum.Counts {
		r.sum.Statuses[string(status)] = n
	}
}

// run is one run.
type run struct {
	opts  Options
	rep   Reporter
	roots *roots
	table *table
	found *findings
	near  neighbours
	sum   Summary

	passed int64 // files that were not asked for by Options.Only
}

func (r *run) work(ctx context.Context) error {
	found, err := r.find(ctx)
	if err != nil {
		return err
	}
	r.found = found
	for _, s := range found.sources {
		if err := r.take(ctx, s); err != nil {
			return err
		}
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	if err := r.checkFiles(ctx); err != nil {
		return err
	}
	if err := r.checkPackages(ctx); err != nil {
		return err
	}
	if err := r.extras(ctx); err != nil {
		return err
	}
	return r.suggest(ctx)
}

// exit derives the exit status. A run in which no checksum of any file was
// compared is no success, unless only some files were asked for and none of
// them is one that a list covers.
func (r *run) exit() report.Exit {
	exit := report.ExitOf(r.sum.Summary)
	switch {
	case r.sum.Failed || r.sum.Cancelled:
		return exit
	case r.sum.Counts[OK]+r.sum.Counts[Bad]+r.sum.Counts[Conflict]+r.sum.Counts[SizeOnly] > 0:
		return exit | r.mute()
	case r.passed > 0 && r.opts.NoneIsFine && r.sum.failed():
		return exit
	case r.passed > 0 && r.opts.NoneIsFine:
		r.rep.Note("none of the files that were asked for is one that a list covers")
		return report.ExitClean
	}
	r.rep.Note("nothing was checked: %s", r.nothing())
	return exit | report.ExitCannotVouch
}

// mute is the bit of the exit status for a list that was named and says
// nothing.
func (r *run) mute() report.Exit {
	for _, l := range r.sum.Lists {
		if l.Entries == 0 && l.given && len(l.Counts) == 0 {
			r.rep.Note("%s names no file", l.Name)
			return report.ExitCannotVouch
		}
	}
	return report.ExitClean
}

func (r *run) nothing() string {
	switch {
	case len(r.table.lists) == 0:
		return "no list was found (make one: bitmend verify --write)"
	case r.passed > 0 && !r.sum.failed():
		return "no list speaks of what was asked for"
	}
	return "no checksum of any file could be compared"
}

// tell counts a result and tells of it.
func (r *run) tell(res *Result) {
	for i := range res.Said {
		said := &res.Said[i]
		said.List.Counts[said.Status]++
		r.sum.Counts[said.Status]++
	}
	if len(res.Said) == 0 {
		r.sum.Counts[res.Status]++
	}
	if v := res.Verdict(); v != finding.Intact && v != "" {
		r.sum.Verdicts[v]++
		if v.Damaged() {
			r.sum.Damaged++
		}
	}
	if res.isFile() {
		r.sum.Blobs++
		r.sum.Bytes += res.Read
		switch res.Status {
		case OK:
			r.sum.Intact++
		case SizeOnly:
			r.sum.Unverified++
		}
	}
	r.rep.Result(res)
}
