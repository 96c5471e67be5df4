package s3

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// An operation is one request, or the reading of one answer.
type operation func(ctx context.Context, client *sdk.Client) error

// call makes a request until it succeeds or fails for good, with pauses that
// grow and are drawn by lot, so that many clients do not come back at once.
// The error says what was being done, with the sentinel that callers decide
// by.
func (b *Bucket) call(ctx context.Context, doing, name string, do operation) error {
	tries := b.newTries()
	for {
		err := b.once(ctx, do)
		if err == nil {
			return nil
		}
		if err = tries.again(ctx, err); err != nil {
			return b.refused(ctx, doing, name, err)
		}
	}
}

// once makes one request, when there is room for it.
func (b *Bucket) once(ctx context.Context, do operation) error {
	if err := b.slots.Acquire(ctx, 1); err != nil {
		return err
	}
	defer b.slots.Release(1)
	c, err := b.connect(ctx)
	if err != nil {
		return err
	}
	if c.credentials != nil {
		if _, err := c.credentials.Retrieve(ctx); err != nil {
			return fmt.Errorf("%w: %w", errNoCredentials, err)
		}
	}
	if err = do(ctx, c.client); isExpired(err) {
		c.forget()
	}
	if err == nil {
		b.seen.Store(true)
	}
	return err
}

// freshCredentials is how often credentials are renewed before they are taken
// for expired for good.
const freshCredentials = 3

// tries counts the attempts of one thing.
type tries struct {
	bucket *Bucket
	made   int
}

func (b *Bucket) newTries() *tries { return &tries{bucket: b} }

// progressed says that an attempt brought something, so that the next one is a
// first.
func (t *tries) progressed() { t.made = 0 }

// again waits before the next attempt. It returns err when there shall be
// none, and the context's error when that ends.
func (t *tries) again(ctx context.Context, err error) error {
	t.made++
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !isTransient(err) || t.made >= t.bucket.options.Attempts || isExpired(err) && t.made >= freshCredentials {
		return err
	}
	t.bucket.counts.retried.Add(1)
	pause := t.bucket.options.FirstPause << min(t.made-1, 10)
	pause = pause/2 + rand.N(pause/2+1)
	pause = min(max(pause, retryAfter(err)), longestPause)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retryAfter is how long the service asks to be left alone.
func retryAfter(err error) time.Duration {
	var response *smithyhttp.ResponseError
	if !errors.As(err, &response) || response.Response == nil {
		return 0
	}
	text := response.Response.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return time.Until(at)
	}
	return 0
}
