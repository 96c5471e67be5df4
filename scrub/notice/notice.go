// Package notice tells how a run ended to whoever is not at the terminal: it
// runs a command or posts to a URL on trouble, and fetches a heartbeat URL when
// a scrub is done.
//
// It changes nothing of what the run found. What could not be told is an error
// of its own, since a watcher who is not told believes that all is well.
package notice

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// Variables that go before what bitmend.toml says: who knows the address of a
// hook can often use it, and the file may be read by many.
const (
	URLVariable       = "BITMEND_NOTIFY_URL"
	HeartbeatVariable = "BITMEND_HEARTBEAT_URL"
)

// A Notice is what is told of a run.
type Notice struct {
	Vault     string // its directory
	Summary   report.Summary
	Heartbeat bool // the run is one that the heartbeat stands for: a scrub that looked at what it was to look at
}

// A Notifier tells what its configuration asks for.
type Notifier struct {
	Config vault.NotifyConfig
	Getenv func(string) string
	Pause  time.Duration // between two tries of a request
}

// New returns a Notifier for the program.
func New(config vault.NotifyConfig) *Notifier {
	return &Notifier{Config: config, Getenv: os.Getenv, Pause: 2 * time.Second}
}

// Trouble tells whether somebody is to be told of an exit status. A run that
// was merely cancelled was so by somebody who knows.
func Trouble(exit report.Exit) bool {
	return exit != report.ExitClean && exit != report.ExitCancelled
}

// done tells whether a run did all that it was to do, whatever it found.
func done(exit report.Exit) bool {
	return exit&(report.ExitOperational|report.ExitCancelled|report.ExitUsage) == 0
}

// Tell tells of a run. It goes on when ctx is cancelled, but never for longer
// than the configured time for each of those that are told. The error says what
// could not be told.
func (n *Notifier) Tell(ctx context.Context, notice Notice) error {
	ctx = context.WithoutCancel(ctx)
	exit := report.Exit(notice.Summary.Exit)
	var errs []error
	if Trouble(exit) {
		errs = append(errs, n.tellTrouble(ctx, notice))
	}
	beat := cmp.Or(n.Getenv(HeartbeatVariable), n.Config.Heartbeat)
	if beat != "" && notice.Heartbeat && done(exit) {
		if err := n.fetch(ctx, beat); err != nil {
			errs = append(errs, fmt.Errorf("the heartbeat could not be sent: %w", err))
		}
	}
	return errors.Join(errs...)
}

func (n *Notifier) tellTrouble(ctx context.Context, notice Notice) error {
	to := cmp.Or(n.Getenv(URLVariable), n.Config.URL)
	if len(n.Config.Command) == 0 && to == "" {
		return nil
	}
	text, err := notice.encode()
	if err != nil {
		return err
	}
	var errs []error
	if len(n.Config.Command) > 0 {
		if err := n.run(ctx, notice, text); err != nil {
			errs = append(errs, fmt.Errorf("the notify command failed: %w", err))
		}
	}
	if to != "" {
		if err := n.post(ctx, to, text); err != nil {
			errs = append(errs, fmt.Errorf("the notification could not be sent: %w", err))
		}
	}
	return errors.Join(errs...)
}

// encode writes the notice as one JSON object, as schema.json has it.
func (n Notice) encode() ([]byte, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "this host"
	}
	var summary bytes.Buffer
	events := report.NewJSON(&summary)
	events.Summary(n.Summary)
	if err := events.Err(); err != nil {
		return nil, err
	}
	s := n.Summary
	text, err := json.Marshal(struct {
		Event   string          `json:"event"`
		Vault   string          `json:"vault"`
		Host    string          `json:"host"`
		Text    string          `json:"text"`
		Summary json.RawMessage `json:"summary"`
	}{
		"notice", report.Name(n.Vault), host,
		report.Escape(fmt.Sprintf("bitmend %s of %s on %s: %s (exit status %d)", s.Verb, n.Vault, host, report.Exit(s.Exit), s.Exit)),
		bytes.TrimSpace(summary.Bytes()),
	})
	if err != nil {
		return nil, fmt.Errorf("write the notification: %w", err)
	}
	return append(text, '\n'), nil
}
