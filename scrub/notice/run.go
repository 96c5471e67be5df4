package notice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"bitmend/scrub/report"
)

// saidLength bounds what is repeated of the words of a command that failed.
const saidLength = 500

// run runs the command with the notice on its standard input. There is no
// shell; what varies is in the input and the environment, never in arguments.
func (n *Notifier) run(ctx context.Context, notice Notice, text []byte) error {
	limited, stop := context.WithTimeout(ctx, n.Config.Timeout)
	defer stop()
	words := n.Config.Command
	command := exec.CommandContext(limited, words[0], words[1:]...)
	command.Dir = notice.Vault
	command.Env = append(os.Environ(),
		"BITMEND_VAULT="+notice.Vault, "BITMEND_VERB="+notice.Summary.Verb, "BITMEND_EXIT="+strconv.Itoa(notice.Summary.Exit))
	command.Stdin = bytes.NewReader(text)
	said := &beginning{}
	command.Stdout, command.Stderr = said, said
	// What it left running may hold its output open for ever.
	command.WaitDelay = time.Second
	err := command.Run()
	if errors.Is(limited.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("it did not end within %v", n.Config.Timeout)
	}
	if err != nil && len(said.text) > 0 {
		return fmt.Errorf("%w; it said: %s", err, report.Escape(string(said.text)))
	}
	return err
}

// beginning keeps the beginning of what is written.
type beginning struct{ text []byte }

func (b *beginning) Write(p []byte) (int, error) {
	b.text = append(b.text, p[:min(len(p), saidLength-len(b.text))]...)
	return len(p), nil
}
