package verify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/scrub/finding"
	"bitmend/scrub/verify"
)

// A disturbed context is asked between two blocks of a file, and does
// something then.
type disturbed struct {
	context.Context
	mu    sync.Mutex
	calls int
	do    func(call int)
}

func (d *disturbed) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	d.do(d.calls)
	return d.Context.Err()
}

const (
	block = 256 << 10 // what is read at once
	large = 64 * block
)

// A file is read once, whatever number of lists speak of it under whatever
// algorithms.
func TestManyListsAreOneRead(t *testing.T) {
	t.Chdir(t.TempDir())
	content := strings.Repeat("0123456789abcdef", 1<<16)
	write(t, "a.bin", content)
	for i := range 5 {
		write(t, fmt.Sprintf("%d.sha256", i), sumLine("a.bin", content))
	}
	write(t, "a.md5", "00000000000000000000000000000000  a.bin\n")
	write(t, "a.sfv", "a.bin 00000000\n")
	rec := run(t, verify.Options{})
	if rec.sum.Bytes != int64(len(content)) || rec.sum.BytesRead != int64(len(content)) || rec.sum.Blobs != 1 || len(rec.results) != 1 || len(rec.results[0].Said) != 7 {
		t.Errorf("%d bytes read of %d files for %d entries\n%s", rec.sum.BytesRead, rec.sum.Blobs, len(rec.results[0].Said), rec)
	}
}

// Results come in the order of the list, however many files are read at once.
func TestResultsComeInTheOrderOfTheList(t *testing.T) {
	t.Chdir(t.TempDir())
	var list strings.Builder
	const files = 1000
	for i := range files {
		name, content := fmt.Sprintf("%04d", (i*7919)%files), strings.Repeat("x", i%97*100)
		write(t, name, content)
		list.WriteString(sumLine(name, content+"y"))
	}
	write(t, "SHA256SUMS", list.String())
	for _, workers := range []int{1, 2, 64} {
		rec := run(t, verify.Options{Workers: workers})
		if len(rec.results) != files {
			t.Fatalf("%d results", len(rec.results))
		}
		for i, res := range rec.results {
			if want := fmt.Sprintf("%04d", (i*7919)%files); res.Name != want || res.Said[0].Line != i+1 {
				t.Fatalf("%d workers: result %d is of %s in line %d", workers, i, res.Name, res.Said[0].Line)
			}
		}
	}
}

// Cancelled in the midst of a file, a run ends there and says so.
func TestARunIsCancelledInTheMidstOfAFile(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "a.bin", "")
	if err := os.Truncate("a.bin", large); err != nil {
		t.Fatal(err)
	}
	write(t, "SHA256SUMS", sumLine("a.bin", ""))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	const most = 20
	asked := &disturbed{Context: ctx, do: func(call int) {
		if call == most {
			cancel()
		}
	}}
	var out bytes.Buffer
	sum, err := verify.Run(asked, verify.Options{}, &verify.Text{Out: &out, Err: &out})
	if !errors.Is(err, context.Canceled) || !sum.Cancelled || sum.Exit != 32 {
		t.Errorf("error %v, exit status %d", err, sum.Exit)
	}
	if asked.calls > most+10 {
		t.Errorf("it read on for %d blocks", asked.calls-most)
	}
	if !strings.Contains(out.String(), "cancelled") || strings.Contains(out.String(), "a.bin") {
		t.Errorf("it says %q", &out)
	}
}

// A file that changes while it is read is read again; when it changes again
// nothing is said of its content.
func TestAFileThatChangesDuringTheRead(t *testing.T) {
	for name, c := range map[string]struct {
		changes int
		status  verify.Status
		verdict finding.Verdict
		exit    int
	}{
		"once":  {1, verify.OK, finding.Intact, 0},
		"twice": {2, verify.Unreadable, finding.Busy, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			content := strings.Repeat("\x00", large)
			write(t, "a.bin", content)
			write(t, "SHA256SUMS", sumLine("a.bin", content+strings.Repeat("x", c.changes)))
			changes := 0
			asked := &disturbed{Context: context.Background()}
			asked.do = func(call int) {
				if call == 30+80*changes && changes < c.changes { // in the midst of each reading
					changes++
					f, err := os.OpenFile("a.bin", os.O_APPEND|os.O_WRONLY, 0)
					if err == nil {
						_, err = f.WriteString("x")
						err = errors.Join(err, f.Close())
					}
					if err != nil {
						t.Error(err)
					}
				}
			}
			all := &everything{}
			sum, err := verify.Run(asked, verify.Options{Paths: []string{"SHA256SUMS"}}, all)
			if err != nil || len(all.results) != 1 {
				t.Fatal(err, all.results)
			}
			res := all.results[0]
			if changes != c.changes || res.Status != c.status || res.Verdict() != c.verdict || sum.Exit != c.exit {
				t.Errorf("after %d changes: %s (%s), %s, exit status %d", changes, res.Status, res.Reason, res.Verdict(), sum.Exit)
			}
		})
	}
}

// everything is a Reporter that keeps all results.
type everything struct{ results []verify.Result }

func (e *everything) Result(r *verify.Result) { e.results = append(e.results, *r) }
func (e *everything) Note(string, ...any)     {}
func (e *everything) Summary(*verify.Summary) {}

// What cannot be read is not damage: the exit status says that it cannot be
// vouched for.
func TestWhatCannotBeReadIsNoDamage(t *testing.T) {
	for name, make := range map[string]func() error{
		"a folder":        func() error { return os.Mkdir("a", 0o755) },
		"a loop of links": func() error { return os.Symlink("a", "a") },
		"no permission":   func() error { return os.WriteFile("a", nil, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			if name == "no permission" && !fixtures.BoundByPermissions(t) {
				return
			}
			t.Chdir(t.TempDir())
			if err := make(); err != nil {
				t.Skip(err)
			}
			write(t, "SHA256SUMS", sumLine("a", "x"))
			rec := run(t, verify.Options{Paths: []string{"SHA256SUMS"}})
			if len(rec.results) != 1 || rec.results[0].Status != verify.Unreadable || rec.results[0].Verdict() != finding.Unverifiable || rec.sum.Exit != 2 {
				t.Errorf("%s", rec)
			}
		})
	}
}

// A list of hostile size takes time that grows with it, not with its square: a
// hundred thousand entries took minutes when it did.
func TestOneFileWithManyChecksumsTakesNoLongerThanTheirNumber(t *testing.T) {
	fixtures.Sequential(t)
	t.Chdir(t.TempDir())
	write(t, "a", "x")
	quickest := func(entries int) time.Duration {
		var list strings.Builder
		for i := range entries {
			fmt.Fprintf(&list, "%064x  a\n", i)
		}
		write(t, "SHA256SUMS", list.String())
		least := time.Hour
		for range 3 {
			started := time.Now()
			said, sum := say(t, "json", verify.Options{Paths: []string{"SHA256SUMS"}})
			least = min(least, time.Since(started))
			if sum.Counts[verify.Bad] != int64(entries) || len(said) == 0 {
				t.Fatalf("%v", sum.Counts)
			}
		}
		return least
	}
	// Sixteen times as many take 16 times as long, or 256 times where each is
	// compared with each.
	if few, many := quickest(1000), quickest(16_000); many > 100*few {
		t.Errorf("1,000 checksums take %v, and 16,000 %v", few, many)
	}
}

// The folder of files that are all missing is not read for each of them.
func TestMissingFilesShareOneReadingOfTheirFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	const there, missing = 500, 200
	for i := range there {
		write(t, fmt.Sprintf("folder/is there %d", i), "")
	}
	var list strings.Builder
	for i := range missing {
		list.WriteString(sumLine(fmt.Sprintf("folder/%d", i), ""))
	}
	write(t, "SHA256SUMS", list.String())
	allocations := testing.AllocsPerRun(1, func() {
		if rec := run(t, verify.Options{Paths: []string{"SHA256SUMS"}}); rec.sum.Counts[verify.Missing] != missing {
			t.Fatalf("%s", rec)
		}
	})
	if allocations > there*missing/4 {
		t.Errorf("%.0f allocations for %d files in a folder of %d", allocations, missing, there)
	}
}
