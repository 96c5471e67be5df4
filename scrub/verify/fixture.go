package verify

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"

	"bitmend/hashsets"
	"bitmend/hashsets/manifest"
	"bitmend/scrub/diagnose"
	"bitmend/scrub/finding"
)

// diagnosedMost is the size of a file above which nobody looks for what an
// editor or a checkout did to it, in bytes.
const diagnosedMost = 64 << 20

// diagnose says what happened to a file that does not match: first what
// happens to files in a working tree, which is proven by undoing it, then what
// package diagnose knows. It reads a bad file a second time.
func (c *checker) diagnose(ctx context.Context, at place, res *Result) {
	bad := res.mismatches()
	if res.Status != Bad || len(bad) == 0 {
		return
	}
	if res.Size == 0 {
		res.explain(finding.Truncated, "it was truncated to 0 bytes")
		return
	}
	f, _, err := openFile(at)
	if err != nil {
		return // it could be read a moment ago; that it does not match was said
	}
	defer f.Close() // it was only read from
	if res.pointer(f, bad) || res.Size > diagnosedMost || c.undo.undone(ctx, f, bad, res) {
		return
	}
	look := diagnose.Case{Name: res.Name, Damaged: f, Recorded: hashsets.HashSet{Size: res.Size}, Computed: hashsets.HashSet{Size: res.Size}}
	for _, s := range res.Said {
		if s.Size >= 0 {
			look.Recorded.Size = s.Size
		}
	}
	d, err := diagnose.Look(ctx, look)
	if err != nil || d.Kind == finding.Unknown {
		return
	}
	res.explain(d.Kind, d.Evidence...)
}

func (r *Result) explain(d finding.Diagnosis, evidence ...string) {
	r.Diagnosis = d
	r.Evidence = append(evidence, r.Evidence...)
}

// pointer tells whether the file is a Git LFS pointer, and says so.
func (r *Result) pointer(f io.ReaderAt, bad []Compared) bool {
	text := make([]byte, manifest.MaxLFSPointer)
	n, err := f.ReadAt(text, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	d, _, ok := manifest.ParseLFSPointer(text[:n])
	if !ok {
		return false
	}
	of := "a Git LFS pointer"
	for _, b := range bad {
		if b.Algorithm == d.Algorithm && bytes.Equal(b.Sum, d.Sum) {
			of = "the Git LFS pointer of the recorded content"
		}
	}
	r.explain(finding.LFSPointer, "it is "+of+": run git lfs pull")
	return true
}

// An undoing takes back what a tool did to a whole text.
type undoing struct {
	kind finding.Diagnosis
	what string
	undo step
}

// step reads a text and writes another.
type step = func(in *bufio.Reader, out io.Writer) error

func undoings() []undoing {
	return []undoing{
		{finding.NewlineConversion, "it differs only by line endings: each LF became CR LF, as by Git's autocrlf (set -text in .gitattributes)", crlfToLF},
		{finding.NewlineConversion, "it differs only by line endings: each CR LF became LF, as by Git's text=auto (set -text in .gitattributes)", lfToCRLF},
		{finding.TextTranscoding, "a UTF-8 byte order mark was added", withoutMark},
		{finding.TextTranscoding, "the UTF-8 byte order mark was taken away", withMark},
		{finding.Extended, "a text editor added a final newline", withoutNewline},
		{finding.Truncated, "the final newline was taken away", withEnd("\n")},
		{finding.Truncated, "the final newline, CR LF, was taken away", withEnd("\r\n")},
		{finding.TextTranscoding, "a UTF-8 byte order mark was added, and each LF became CR LF", func(in *bufio.Reader, out io.Writer) error {
			if err := dropMark(in); err != nil {
				return err
			}
			return crlfToLF(in, out)
		}},
	}
}

var errOtherwise = errors.New("nobody did that to the file")

// undoer undoes one file after the other. Its buffers are used again: when a
// checkout converted everything, everything is bad.
type undoer struct {
	in  *bufio.Reader
	out *bufio.Writer
}

func newUndoer() *undoer {
	return &undoer{bufio.NewReaderSize(nil, undoBuffer), bufio.NewWriterSize(nil, undoBuffer)}
}

const undoBuffer = 64 << 10 // bytes

// undone undoes one thing after the other, and says which made the file match.
func (u *undoer) undone(ctx context.Context, f *os.File, bad []Compared, res *Result) bool {
	recorded := strongest(bad)
	h := manifest.NewHash(recorded.Algorithm)
	if h == nil {
		return false
	}
	all := undoings()
	if res.Size <= transcodedMost {
		all = append(all, transcodings()...)
	}
	for _, one := range all {
		if ctx.Err() != nil || u.undoes(one, f, h, recorded.Sum) {
			if ctx.Err() == nil {
				res.explain(one.kind, one.what)
			}
			return true
		}
	}
	return false
}

func (u *undoer) undoes(one undoing, f *os.File, h hash.Hash, recorded []byte) bool {
	h.Reset()
	u.in.Reset(io.NewSectionReader(f, 0, diagnosedMost))
	u.out.Reset(h)
	if err := one.undo(u.in, u.out); err != nil || u.out.Flush() != nil {
		return false
	}
	return bytes.Equal(h.Sum(nil), recorded)
}

// strongest is the mismatch that proves most.
func strongest(bad []Compared) Compared {
	best := bad[0]
	for _, b := range bad {
		if manifest.Strength(b.Algorithm) > manifest.Strength(best.Algorithm) {
			best = b
		}
	}
	return best
}

// eachLine calls do with what stands before each LF, and with what stands
// after the last one.
func eachLine(in *bufio.Reader, do func(part []byte, ended bool) error) error {
	for {
		part, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && bytes.HasSuffix(part, []byte("\r")):
			part = bytes.Clone(part) // a look at what follows is into the same buffer
			next, _ := in.Peek(1)    // an error shows in the next read
			ended := string(next) == "\n"
			if ended {
				in.Discard(1) // it was there
			}
			if err := do(part, ended); err != nil {
				return err
			}
		case errors.Is(err, bufio.ErrBufferFull), errors.Is(err, io.EOF):
			if len(part) > 0 {
				if err := do(part, false); err != nil {
					return err
				}
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
		case err != nil:
			return fmt.Errorf("reading a text: %w", err)
		default:
			if err := do(part[:len(part)-1], true); err != nil {
				return err
			}
		}
	}
}

func crlfToLF(in *bufio.Reader, out io.Writer) error {
	return eachLine(in, func(part []byte, ended bool) error {
		if ended {
			text, ok := bytes.CutSuffix(part, []byte("\r"))
			if !ok {
				return errOtherwise
			}
			part = append(text, '\n') // in the buffer, over the CR
		}
		_, err := out.Write(part)
		return err
	})
}

func lfToCRLF(in *bufio.Reader, out io.Writer) error {
	return eachLine(in, func(part []byte, ended bool) error {
		if ended && bytes.HasSuffix(part, []byte("\r")) {
			return errOtherwise
		}
		if _, err := out.Write(part); err != nil || !ended {
			return err
		}
		_, err := io.WriteString(out, "\r\n")
		return err
	})
}

const mark = "\xef\xbb\xbf"

// dropMark reads past a byte order mark.
func dropMark(in *bufio.Reader) error {
	if head, err := in.Peek(len(mark)); err != nil || string(head) != mark {
		return errOtherwise
	}
	_, err := in.Discard(len(mark))
	return err
}

func withoutMark(in *bufio.Reader, out io.Writer) error {
	if err := dropMark(in); err != nil {
		return err
	}
	_, err := io.Copy(out, in)
	return err
}

func withMark(in *bufio.Reader, out io.Writer) error {
	_, err := io.Copy(out, io.MultiReader(bytes.NewReader([]byte(mark)), in))
	return err
}

func withEnd(end string) step {
	return func(in *bufio.Reader, out io.Writer) error {
		_, err := io.Copy(out, io.MultiReader(in, strings.NewReader(end)))
		return err
	}
}

// withoutNewline leaves out a LF or CR LF at the end.
func withoutNewline(in *bufio.Reader, out io.Writer) error {
	var held []byte // the line end that was read last
	err := eachLine(in, func(part []byte, ended bool) error {
		if _, err := out.Write(held); err != nil {
			return err
		}
		held = held[:0]
		if ended {
			if text, ok := bytes.CutSuffix(part, []byte("\r")); ok {
				part, held = text, append(held, '\r')
			}
			held = append(held, '\n')
		}
		_, err := out.Write(part)
		return err
	})
	if err == nil && len(held) == 0 {
		return errOtherwise
	}
	return err
}
