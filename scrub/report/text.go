package report

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// TextOptions say where text goes and for whom.
type TextOptions struct {
	Terminal bool   // err is a terminal: progress is drawn there
	Color    bool   // for out
	Quiet    bool   // say nothing at all when all is well
	Verbose  bool   // all of the evidence
	Vault    string // as it was given on the command line, for the command to run next
	Tree     string // the same for DIR; used when Vault is empty
	Repairs  bool   // this run repairs what it finds, so findings need no next command
	Accepts  bool   // this run records what a person accepts, damage or not
}

// Text is a Reporter for people.
type Text struct {
	mu       sync.Mutex
	out, err io.Writer
	opts     TextOptions
	line     progressLine
	held     []string // notes that are not said unless something is wrong
	detailed int      // blobs of which everything was said
	writeErr error
}

// shownInDetail is how many blobs are told of with all there is to say; those
// after them get a line each, unless all is asked for.
const shownInDetail = 20

// heldNotes bounds the notes that are held back.
const heldNotes = 100

// NewText returns a Reporter that writes findings, repairs, gates and the
// summary to out, progress and notes to err.
func NewText(out, err io.Writer, opts TextOptions) *Text {
	return &Text{out: out, err: err, opts: opts, line: progressLine{w: err}}
}

// Err returns the first error in writing to out.
func (t *Text) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.writeErr
}

// Clear takes the progress line away, before something else writes to the
// terminal.
func (t *Text) Clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line.clear()
}

// Repair says how the repair of one blob ended.
func (t *Text) Repair(r Repair) {
	if r.Outcome == Restored && !t.opts.Verbose {
		return // as many as there are blobs: the summary counts them
	}
	b := t.block(t.outcome(r.Outcome), r.Store, r.Blob)
	if len(r.Sources) > 0 {
		b.line("from %s", sourceCounts(r.Sources))
	}
	if r.Reason != "" {
		b.line("%s", r.Reason)
	}
	if len(r.Ranges) > 0 {
		b.line("lost: %s", rangesText(r.Ranges, 0, t.opts.Verbose))
	}
	switch {
	case r.Next != "":
		b.next(r.Next)
	case r.Outcome == Lost:
		b.next(t.opts.command("repair") + " --donor DIR")
	case r.Outcome == Refused:
		b.next(t.opts.command("gates"))
	case r.Outcome == Repaired:
		if t.opts.Verbose && r.Receipt != "" {
			b.line("receipt %s", r.Receipt)
		}
	}
	t.sayOf(b)
}

// Gate says which gate is open and what clears it.
func (t *Text) Gate(g Gate) {
	b := &block{}
	where := ""
	if g.Store != "" {
		where = " for store " + Escape(g.Store)
	}
	b.head("%s %s%s: %s", t.paint(red, "gate"), Escape(g.Name), where, Escape(g.Reason))
	b.line("nothing is written there until a person has looked")
	b.next(fmt.Sprintf("%s %d --reason TEXT", t.opts.command("gates clear"), g.ID))
	t.say(b.String())
}

// Progress draws the progress line, on a terminal.
func (t *Text) Progress(p Progress) {
	if !t.opts.Terminal || t.opts.Quiet {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line.update(p)
}

// Interject writes a line to where progress is drawn, whatever else is said.
func (t *Text) Interject(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line.clear()
	fmt.Fprintln(t.err, Escape(line))
}

// Note says a sentence. When quiet it is held until something is wrong.
func (t *Text) Note(format string, args ...any) {
	b := &block{}
	for i, line := range strings.Split(strings.TrimRight(fmt.Sprintf(format, args...), "\n"), "\n") {
		if i == 0 {
			b.head("%s", Escape(line))
		} else {
			b.line("%s", line) // indented, so that no name with a newline makes a line of its own
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.opts.Quiet {
		t.line.clear()
		fmt.Fprint(t.err, b.String())
	} else if len(t.held) < heldNotes {
		t.held = append(t.held, b.String())
	}
}

// Summary closes the run.
func (t *Text) Summary(s Summary) {
	if t.opts.Quiet && s.Exit == int(ExitClean) {
		t.Clear()
		return
	}
	t.say(t.summaryText(s))
}

// sayOf says a block of one blob: whole, or its first line once many blobs
// were told of.
func (t *Text) sayOf(b *block) {
	text := b.String()
	t.mu.Lock()
	t.detailed++
	told := t.detailed
	t.mu.Unlock()
	if told > shownInDetail && !t.opts.Verbose {
		text = text[:strings.IndexByte(text, '\n')+1]
		if told == shownInDetail+1 {
			text = "the rest a line each; --verbose says all of it\n" + text
		}
	}
	t.say(text)
}

// say writes something that is not good news, or the summary: the notes that
// were held first, and nothing of it through the progress line.
func (t *Text) say(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line.clear()
	for _, note := range t.held {
		fmt.Fprint(t.err, note)
	}
	t.held = nil
	if _, err := io.WriteString(t.out, text); err != nil && t.writeErr == nil {
		t.writeErr = fmt.Errorf("writing the report: %w", err)
	}
}

// block starts what is said of one blob.
func (t *Text) block(what, store, blob string) *block {
	b := &block{}
	b.head("%s  %s: %s", what, Escape(store), Name(blob))
	return b
}

// block is a line and the indented lines that belong to it.
type block struct{ strings.Builder }

func (b *block) head(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }

func (b *block) line(format string, args ...any) {
	b.WriteString("    " + Escape(fmt.Sprintf(format, args...)) + "\n")
}

// next names the command to run.
func (b *block) next(command string) { b.line("next: %s", command) }

// CommandFor returns what writes command lines for a run on a tree or else a
// vault.
func CommandFor(tree, dir string) func(verb string) string {
	o := &TextOptions{Tree: tree, Vault: dir}
	return o.command
}

// command is a command line with the vault of this run.
func (o *TextOptions) command(verb string) string {
	switch {
	case o.Vault != "":
		return "bitmend --vault " + shellWord(o.Vault) + " " + verb
	case o.Tree != "":
		return "bitmend " + verb + " " + shellWord(o.Tree)
	}
	return "bitmend " + verb
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	bold   = "1"
)

func (t *Text) paint(color, text string) string {
	if !t.opts.Color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func (t *Text) outcome(o Outcome) string {
	color := map[Outcome]string{Repaired: green, Restored: green, Lost: red, Skipped: yellow, Refused: yellow}[o]
	return t.paint(color, string(o))
}
