package report

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"bitmend/scrub/finding"
)

// LogFormats are how a log can be written.
func LogFormats() []string { return []string{"text", "json"} }

// logProgressEvery is how often a log tells of progress.
const logProgressEvery = time.Minute

// Log is a Reporter that writes a record a line through log/slog, for systems
// that gather logs. What is good news has the level INFO, what a person should
// look at WARN, and damage ERROR.
type Log struct {
	logger *slog.Logger
	quiet  bool

	mu     sync.Mutex
	track  Track
	told   time.Duration // when progress was told, in the time of the run
	held   []string      // notes that are not said unless something is wrong
	lifted bool          // something was wrong
}

// NewLog returns a Reporter that writes to w in one of LogFormats. A quiet one
// says nothing at all when all is well.
func NewLog(w io.Writer, format string, quiet bool) *Log {
	var handler slog.Handler = slog.NewTextHandler(w, nil)
	if format == "json" {
		handler = slog.NewJSONHandler(w, nil)
	}
	return &Log{logger: slog.New(handler), quiet: quiet}
}

// Failure says what ends the program.
func (l *Log) Failure(format string, args ...any) {
	l.say(slog.LevelError, "failed", slog.String("error", Escape(fmt.Sprintf(format, args...))))
}

// Warn says a sentence that is no good news.
func (l *Log) Warn(format string, args ...any) {
	l.say(slog.LevelWarn, "note", slog.String("text", Escape(fmt.Sprintf(format, args...))))
}

func (l *Log) say(level slog.Level, message string, attributes ...slog.Attr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if level > slog.LevelInfo {
		for _, note := range l.held {
			l.logger.Info("note", slog.String("text", note))
		}
		l.held, l.lifted = nil, true
	}
	if l.quiet && !l.lifted && level <= slog.LevelInfo {
		return
	}
	l.logger.LogAttrs(context.Background(), level, message, attributes...)
}

// Finding says what is wrong with one blob.
func (l *Log) Finding(f finding.Finding) {
	level := slog.LevelWarn
	if f.Verdict.Damaged() {
		level = slog.LevelError
	}
	attributes := []slog.Attr{
		slog.String("store", Escape(f.Store)), slog.String("blob", Name(f.Blob)), slog.String("verdict", string(f.Verdict)), slog.Int64("size", f.Size),
	}
	if f.Diagnosis != "" {
		attributes = append(attributes, slog.String("diagnosis", string(f.Diagnosis)))
	}
	if len(f.Ranges) > 0 {
		attributes = append(attributes, slog.String("ranges", Escape(rangesText(f.Ranges, f.Size, false))))
	}
	if f.Reason != "" {
		attributes = append(attributes, slog.String("reason", Escape(f.Reason)))
	}
	if f.Repairable != nil {
		attributes = append(attributes, slog.Bool("repairable", *f.Repairable), slog.String("sources", Escape(strings.Join(f.Sources, ","))))
	}
	if f.Lost != "" {
		attributes = append(attributes, slog.String("lost", Escape(f.Lost)))
	}
	l.say(level, "finding", attributes...)
}

// Repair says how the repair of one blob ended.
func (l *Log) Repair(r Repair) {
	level := map[Outcome]slog.Level{Restored: slog.LevelInfo, Lost: slog.LevelError}
	at, known := level[r.Outcome]
	if !known {
		at = slog.LevelWarn
	}
	attributes := []slog.Attr{slog.String("store", Escape(r.Store)), slog.String("blob", Name(r.Blob)), slog.String("outcome", string(r.Outcome))}
	if len(r.Sources) > 0 {
		attributes = append(attributes, slog.String("sources", Escape(sourceCounts(r.Sources))))
	}
	if r.Receipt != "" {
		attributes = append(attributes, slog.String("receipt", r.Receipt))
	}
	if r.Reason != "" {
		attributes = append(attributes, slog.String("reason", Escape(r.Reason)))
	}
	l.say(at, "repair", attributes...)
}

// Gate says which gate is open.
func (l *Log) Gate(g Gate) {
	l.say(slog.LevelError, "gate", slog.Int64("id", g.ID), slog.String("gate", Escape(g.Name)),
		slog.String("store", Escape(g.Store)), slog.String("reason", Escape(g.Reason)))
}

// Progress says how far the run is, once a minute.
func (l *Log) Progress(p Progress) {
	l.mu.Lock()
	l.track.Update(p)
	due := p.Elapsed-l.told >= logProgressEvery || p.Elapsed < l.told
	if due {
		l.told = p.Elapsed
	}
	rate, left := l.track.Rate(), l.track.Left()
	l.mu.Unlock()
	if !due {
		return
	}
	l.say(slog.LevelInfo, "progress", slog.String("verb", p.Verb), slog.Int64("blobs", p.Blobs), slog.Int64("bytes", p.Bytes), slog.Int64("total", p.Total),
		slog.Int64("bytes_per_second", int64(rate)), slog.Float64("left_seconds", left.Round(time.Second).Seconds()), slog.Int64("findings", p.Findings))
}

// Interject says how far the run is, on demand.
func (l *Log) Interject(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.logger.Info("progress", slog.String("text", Escape(line)))
}

// Note says a sentence. When quiet it is held until something is wrong.
func (l *Log) Note(format string, args ...any) {
	text := Escape(fmt.Sprintf(format, args...))
	l.mu.Lock()
	hold := l.quiet && !l.lifted
	if hold && len(l.held) < heldNotes {
		l.held = append(l.held, text)
	}
	l.mu.Unlock()
	if !hold {
		l.say(slog.LevelInfo, "note", slog.String("text", text))
	}
}

// Summary closes the run.
func (l *Log) Summary(s Summary) {
	exit := Exit(s.Exit)
	level := slog.LevelInfo
	switch {
	case exit&^(ExitCannotVouch|ExitRepaired) != 0:
		level = slog.LevelError
	case exit != ExitClean:
		level = slog.LevelWarn
	}
	attributes := []slog.Attr{
		slog.String("verb", s.Verb), slog.Int64("blobs", s.Blobs), slog.Int64("bytes", s.Bytes), slog.Float64("elapsed_seconds", s.Elapsed.Seconds()),
		slog.Int("exit", s.Exit), slog.String("meaning", exit.String()),
	}
	for _, c := range s.counts() {
		if c.n > 0 {
			attributes = append(attributes, slog.Int64(c.key(), c.n))
		}
	}
	if s.Parity.Files > 0 {
		attributes = append(attributes, slog.Int64("parity_files", s.Parity.Files), slog.Int64("parity_damaged", s.Parity.Damaged))
	}
	l.say(level, "summary", attributes...)
}

// key is what is counted as a word that a query can name: what stands before a
// colon or a comma, with underscores.
func (c count) key() string {
	word := c.what
	if cut := strings.IndexAny(word, ":,"); cut >= 0 {
		word = word[:cut]
	}
	return strings.NewReplacer(" ", "_", "-", "_").Replace(word)
}
