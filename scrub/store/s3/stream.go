package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"bitmend/scrub/store"
)

// A stream is the body of one answer that is read as it comes, in one request
// and without memory for it. That is the cheapest way to read an object, for
// both ends, as long as one connection brings enough; where it does not, the
// rest is divided among requests for parts.
type stream struct {
	body    io.ReadCloser
	at, end int64 // of the object: what was not read yet

	came   int64         // bytes, since the pace was last judged
	waited time.Duration // for them
}

// paceOver is how many bytes the pace of a stream is judged by. One for which
// these take longer than they may is judged as soon as that is known.
const paceOver = 16 << 20

// worthDividing is how many parts the rest of a stream must be so that it is
// divided: what is on its way when the stream is given up is then little.
const worthDividing = 4

// stretch is how much of the rest of an object a stream asks for: everything,
// unless connections to this service are known to be slow and so few objects
// are read at a time that each needs several.
func (b *Bucket) stretch(rest int64) int64 {
	if b.slow.Load() && b.share() > 0 {
		return min(rest, b.options.ReadSize)
	}
	return rest
}

// share is how many parts ahead each object may have that is read.
func (b *Bucket) share() int {
	return b.options.ReadAhead / max(1, int(b.whole.Load()))
}

// firstRequest is how much is asked for when an object is opened that is read to
// its end. Where nobody has said how long it is, no more than a part.
func (b *Bucket) firstRequest(access store.Access) int64 {
	if rest := access.Size - access.From; rest > 0 {
		return b.stretch(rest)
	}
	return b.options.ReadSize
}

// goOn reads some of p where the reading of all of an object has come to: from
// what is on its way, or from a new stream.
func (r *reader) goOn(p []byte, off int64) (int, error) {
	b := r.bucket
	tries := b.newTries()
	for {
		if n := r.fromStream(p, off); n > 0 {
			return n, nil
		}
		if n := r.fromAhead(p, off); n > 0 {
			return n, nil
		}
		err := r.streamFrom(off)
		if err == nil {
			continue
		}
		if err = tries.again(r.ctx, err); err != nil {
			return 0, r.fail(off, b.refused(r.ctx, "read", r.entry.Name, err))
		}
	}
}

// fromStream reads on in the stream.
func (r *reader) fromStream(p []byte, off int64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stream
	if s == nil {
		return 0
	}
	if off != s.at {
		r.dropStream()
		return 0
	}
	begun := time.Now()
	n, err := io.ReadFull(s.body, p[:min(int64(len(p)), s.end-off)])
	s.at += int64(n)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = errCutShort
	}
	if r.broke = err; err != nil || s.at == s.end {
		r.dropStream()
		return n
	}
	s.came += int64(n)
	s.waited += time.Since(begun)
	if s.came >= paceOver || s.waited.Seconds()*float64(r.bucket.options.Quick) >= paceOver {
		r.judgePace(s)
	}
	return n
}

// judgePace leaves the rest of a slow stream to requests for parts, but for one
// part that it brings meanwhile.
func (r *reader) judgePace(s *stream) {
	b := r.bucket
	slow := float64(s.came) < s.waited.Seconds()*float64(b.options.Quick)
	s.came, s.waited = 0, 0
	b.slow.Store(slow)
	rest := s.end - s.at - b.options.ReadSize
	if slow && b.share() > 0 && rest >= worthDividing*b.options.ReadSize {
		s.end -= rest
		b.options.Allowance.Return(rest)
	}
}

// dropStream gives up what is left of the stream.
func (r *reader) dropStream() {
	if r.stream == nil {
		return
	}
	r.stream.body.Close()
	r.bucket.options.Allowance.Return(r.stream.end - r.stream.at)
	r.stream = nil
}

// streamFrom begins a stream at an offset, up to the first part ahead. What the
// stream before it broke off with is its error, once.
func (r *reader) streamFrom(off int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.broke; err != nil {
		r.broke = nil
		return err
	}
	b := r.bucket
	end := r.entry.Identity.Size
	if len(r.ahead) > 0 {
		end = r.ahead[0].off
	}
	length := b.stretch(end - off)
	if err := b.options.Allowance.Take(length); err != nil {
		return err
	}
	err := b.once(r.ctx, func(ctx context.Context, client *sdk.Client) error {
		out, err := r.ask(ctx, client, off, length)
		if err == nil {
			r.stream = &stream{body: out.Body, at: off, end: off + length}
		}
		return err
	})
	if err != nil {
		b.options.Allowance.Return(length)
	}
	return err
}

// ask makes a request for a range of the version that was opened.
func (r *reader) ask(ctx context.Context, client *sdk.Client, off, length int64) (*sdk.GetObjectOutput, error) {
	b, identity := r.bucket, r.entry.Identity
	out, err := b.get(ctx, client, &sdk.GetObjectInput{
		Bucket: &b.bucket, Key: aws.String(b.prefix + r.entry.Name), VersionId: optional(r.version),
		Range: byteRange(off, length), IfMatch: aws.String(quoted(identity.ETag)),
	})
	if err != nil {
		return nil, err
	}
	if bareETag(out.ETag) != identity.ETag {
		err = fmt.Errorf("%w: it has the ETag %s now", store.ErrChanged, aws.ToString(out.ETag))
	} else if total, rangeErr := rangeOf(out, off, length); rangeErr != nil {
		err = rangeErr
	} else if total != identity.Size {
		err = fmt.Errorf("%w: of %d bytes, and there were %d", errWrongRange, total, identity.Size)
	}
	if err != nil {
		out.Body.Close()
		return nil, err
	}
	return out, nil
}
