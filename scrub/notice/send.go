package notice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"bitmend/scrub/vault"
)

// tries is how often a request is made at most; all of them share one time.
const tries = 3

// answerRead bounds what is read of an answer, in bytes.
const answerRead = 64 << 10

// post sends text. An address that redirects is wrong: what was posted would
// not arrive.
func (n *Notifier) post(ctx context.Context, to string, text []byte) error {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return n.send(ctx, client, to, func(ctx context.Context) (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(text))
		if err == nil {
			r.Header.Set("Content-Type", "application/json")
		}
		return r, err
	})
}

func (n *Notifier) fetch(ctx context.Context, from string) error {
	return n.send(ctx, &http.Client{}, from, func(ctx context.Context) (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	})
}

// send makes a request until it is answered well, a few times. Its errors name
// the host, and never the rest of the address.
func (n *Notifier) send(ctx context.Context, client *http.Client, to string, make func(context.Context) (*http.Request, error)) error {
	if err := vault.CheckHook(to); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, n.Config.Timeout)
	defer stop()
	var err error
	for try := range tries {
		if try > 0 && wait(ctx, n.Pause) != nil {
			break
		}
		var again bool
		if again, err = attempt(ctx, client, make); !again {
			break
		}
	}
	return about(to, err)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// attempt makes the request once, and tells whether it is worth another try.
func attempt(ctx context.Context, client *http.Client, make func(context.Context) (*http.Request, error)) (again bool, err error) {
	r, err := make(ctx)
	if err != nil {
		return false, err
	}
	answer, err := client.Do(r)
	if err != nil {
		return true, err
	}
	_, err = io.CopyN(io.Discard, answer.Body, answerRead)
	if err = errors.Join(ignoreEOF(err), answer.Body.Close()); err != nil {
		return true, err
	}
	if answer.StatusCode/100 != 2 {
		return answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests, fmt.Errorf("it answered %d", answer.StatusCode)
	}
	return false, nil
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// about says which host an error is about.
func about(to string, err error) error {
	if err == nil {
		return nil
	}
	var with *url.Error
	if errors.As(err, &with) {
		err = with.Err
	}
	host := "the address"
	if u, parseErr := url.Parse(to); parseErr == nil {
		host = u.Host
	}
	return fmt.Errorf("%s: %w", host, err)
}
