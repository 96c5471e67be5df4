package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// slowest is how many bytes must come within the time of a stall, unless a
// body ends before. A transfer that drips is as bad as one that stands still:
// another connection is likely to be better.
const slowest = 4096

// errStalled is what a transfer is given up with that brings nothing.
var errStalled = errors.New("the transfer stalled")

// A watchedClient gives up transfers that stall, and counts bytes.
type watchedClient struct {
	inner  *http.Client
	stall  time.Duration
	counts *counters
}

// Do makes a request. Only time that somebody waits for the network counts as
// a stall.
func (c *watchedClient) Do(request *http.Request) (*http.Response, error) {
	c.counts.requests.Add(1)
	ctx, cancel := context.WithCancelCause(request.Context())
	timer := time.AfterFunc(c.stall, func() { cancel(errStalled) })
	request = request.WithContext(ctx)
	if request.Body != nil && request.Body != http.NoBody {
		request.Body = &sending{request.Body, timer, c}
	}
	response, err := c.inner.Do(request)
	timer.Stop()
	if err != nil {
		defer cancel(nil)
		if context.Cause(ctx) == errStalled {
			return nil, errStalled
		}
		return nil, err
	}
	response.Body = &receiving{body: response.Body, ctx: ctx, cancel: cancel, timer: timer, client: c}
	return response, nil
}

// sending is the body of a request. Each piece that is taken from it is
// progress.
type sending struct {
	io.ReadCloser
	timer  *time.Timer
	client *watchedClient
}

func (s *sending) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.client.counts.sent.Add(int64(n))
	s.timer.Reset(s.client.stall)
	return n, err
}

// receiving is the body of a response.
type receiving struct {
	body   io.ReadCloser
	ctx    context.Context // of the request: to tell a stall from a cancelled caller
	cancel context.CancelCauseFunc
	timer  *time.Timer
	client *watchedClient

	mu     sync.Mutex
	waited time.Duration // since slowest bytes had come
	came   int           // bytes, in that time
}

func (r *receiving) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	begun := time.Now()
	r.timer.Reset(r.client.stall - r.waited)
	n, err := r.body.Read(p)
	r.timer.Stop()
	r.client.counts.fetched.Add(int64(n))
	r.waited += time.Since(begun)
	if r.came += n; r.came >= slowest {
		r.came, r.waited = 0, 0
	}
	if err != nil && err != io.EOF && context.Cause(r.ctx) == errStalled {
		err = errStalled
	}
	return n, err
}

func (r *receiving) Close() error {
	r.timer.Stop()
	err := r.body.Close()
	r.cancel(nil)
	return err
}
