package diagnose

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"bitmend/hashsets"
	"bitmend/scrub/finding"
)

// rewrittenMost is how many bytes of a blob are taken back to their recorded
// form before that counts as proven for the rest.
const rewrittenMost = 64 << 20

// A rewriting is something that a program did to a whole text. It is proven by
// undoing it: then the recorded sums match.
type rewriting struct {
	kind finding.Diagnosis
	what string
	grew bool // whether it makes a text longer
	undo func(in *bufio.Reader, out *bufio.Writer) error
}

func rewritings() []rewriting {
	return []rewriting{
		{finding.NewlineConversion, "each LF became CR LF", true, crlfToLF},
		{finding.NewlineConversion, "each CR LF became LF", false, lfToCRLF},
		{finding.TextTranscoding, "a UTF-8 byte order mark was put in front", true, dropMark},
		{finding.TextTranscoding, "the UTF-8 byte order mark in front was taken away", false, addMark},
		{finding.TextTranscoding, "Latin-1 became UTF-8, or UTF-8 was taken for Latin-1 and encoded again", true, utf8ToLatin1},
		{finding.TextTranscoding, "UTF-8 became Latin-1", false, latin1ToUTF8},
		{finding.TextTranscoding, "UTF-8 became UTF-16", true, utf16ToUTF8},
	}
}

// rewritten finds a text of which a program changed the form and not the words.
func (l *look) rewritten() (Diagnosis, error) {
	grew := l.Computed.Size > l.Recorded.Size
	if l.Computed.Size == l.Recorded.Size || l.Computed.Size == 0 {
		return undiagnosed()
	}
	for _, r := range rewritings() {
		if r.grew != grew {
			continue
		}
		undone, err := l.proves(r)
		if err != nil {
			return Diagnosis{}, err
		}
		if undone > 0 {
			return diagnosed(r.kind, r.what, fmt.Sprintf("undone, %s match what is recorded", bytesText(undone)))
		}
	}
	return undiagnosed()
}

// proves undoes a rewriting and returns how many bytes were made that match,
// 0 when it is not what happened.
func (l *look) proves(r rewriting) (int64, error) {
	witness, ok := l.newWitness()
	if !ok {
		return 0, nil
	}
	source := &damagedReader{look: l}
	out := bufio.NewWriter(witness)
	err := r.undo(bufio.NewReader(source), out)
	if err == nil {
		err = out.Flush()
	}
	switch {
	case source.err != nil:
		return 0, source.err
	case errors.Is(err, errEnough):
		return witness.written, nil
	case err != nil || !witness.complete():
		return 0, nil
	}
	return witness.written, nil
}

// damagedReader reads the damaged bytes in their order.
type damagedReader struct {
	*look
	offset int64
	err    error // of reading or of the context
}

func (r *damagedReader) Read(p []byte) (int, error) {
	p = p[:min(int64(len(p)), r.Computed.Size-r.offset)]
	if len(p) == 0 {
		return 0, io.EOF
	}
	if r.err = r.fill(p, r.offset); r.err != nil {
		return 0, r.err
	}
	r.offset += int64(len(p))
	return len(p), nil
}

var (
	errOtherwise = errors.New("not as recorded")
	errEnough    = errors.New("as recorded so far")
)

// witness compares what is written to it with what is recorded: shard by shard,
// or as a whole where there are no sums.
type witness struct {
	recorded *hashsets.HashSet
	hash     hash.Hash
	digest   []byte // what the whole should come to; nil with shard sums
	written  int64
	left     int64 // of the shard
}

func (l *look) newWitness() (*witness, bool) {
	w := &witness{recorded: &l.Recorded}
	if l.hasSums {
		w.hash, w.left = hashsets.XXH64.New(), l.shardSize
		return w, true
	}
	if len(l.Recorded.Digests) == 0 || l.Recorded.Size > rewrittenMost {
		return nil, false
	}
	d := l.Recorded.Digests[0]
	w.hash, w.digest, w.left = d.Algorithm.New(), d.Sum, l.Recorded.Size+1
	return w, w.hash != nil
}

func (w *witness) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		piece := rest[:min(int64(len(rest)), w.left)]
		rest = rest[len(piece):]
		w.hash.Write(piece)
		w.written += int64(len(piece))
		w.left -= int64(len(piece))
		if w.written > w.recorded.Size {
			return 0, errOtherwise
		}
		if w.left == 0 {
			if !w.shardMatches() {
				return 0, errOtherwise
			}
			if w.written >= rewrittenMost {
				return 0, errEnough
			}
			w.hash.Reset()
			w.left = w.recorded.ShardSize
		}
	}
	return len(p), nil
}

// shardMatches compares the shard that ends here.
func (w *witness) shardMatches() bool {
	i := (w.written - 1) / w.recorded.ShardSize
	sum := w.recorded.ShardSums[i]
	return bytes.Equal(w.hash.Sum(nil), binary.BigEndian.AppendUint64(nil, sum))
}

// complete tells whether all was written, and matches to its end.
func (w *witness) complete() bool {
	switch {
	case w.written != w.recorded.Size || w.written == 0:
		return false
	case w.digest != nil:
		return bytes.Equal(w.hash.Sum(nil), w.digest)
	case w.left == w.recorded.ShardSize:
		return true // the last shard was a full one
	}
	return w.shardMatches()
}

// crlfToLF makes LF of CR LF. A lone LF shows that not every newline was
// converted.
func crlfToLF(in *bufio.Reader, out *bufio.Writer) error {
	return eachByte(in, func(b byte) error {
		next, err := in.Peek(1)
		switch {
		case b == '\n':
			return errOtherwise
		case b == '\r' && err == nil && next[0] == '\n':
			_, err = in.Discard(1)
			return errors.Join(err, out.WriteByte('\n'))
		}
		return out.WriteByte(b)
	})
}

func lfToCRLF(in *bufio.Reader, out *bufio.Writer) error {
	return eachByte(in, func(b byte) error {
		if b == '\n' {
			if err := out.WriteByte('\r'); err != nil {
				return err
			}
		}
		return out.WriteByte(b)
	})
}

func eachByte(in *bufio.Reader, do func(b byte) error) error {
	for {
		b, err := in.ReadByte()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = do(b)
		}
		if err != nil {
			return err
		}
	}
}

const byteOrderMark = "\xef\xbb\xbf"

func dropMark(in *bufio.Reader, out *bufio.Writer) error {
	mark := make([]byte, len(byteOrderMark))
	if _, err := io.ReadFull(in, mark); err != nil || string(mark) != byteOrderMark {
		return errOtherwise
	}
	_, err := io.Copy(out, in)
	return err
}

func addMark(in *bufio.Reader, out *bufio.Writer) error {
	if _, err := out.WriteString(byteOrderMark); err != nil {
		return err
	}
	_, err := io.Copy(out, in)
	return err
}

func utf8ToLatin1(in *bufio.Reader, out *bufio.Writer) error {
	return eachRune(in, func(r rune) error {
		if r > 0xff {
			return errOtherwise
		}
		return out.WriteByte(byte(r))
	})
}

func latin1ToUTF8(in *bufio.Reader, out *bufio.Writer) error {
	return eachByte(in, func(b byte) error {
		_, err := out.WriteRune(rune(b))
		return err
	})
}

func eachRune(in *bufio.Reader, do func(r rune) error) error {
	for {
		r, size, err := in.ReadRune()
		if err == io.EOF {
			return nil
		}
		if r == utf8.RuneError && size == 1 {
			err = errOtherwise
		}
		if err == nil {
			err = do(r)
		}
		if err != nil {
			return err
		}
	}
}

// utf16ToUTF8 undoes UTF-16 in the order of bytes that its mark tells.
func utf16ToUTF8(in *bufio.Reader, out *bufio.Writer) error {
	mark := make([]byte, 2)
	if _, err := io.ReadFull(in, mark); err != nil {
		return errOtherwise
	}
	low := 0 // which byte of a unit is the low one
	switch string(mark) {
	case "\xff\xfe":
	case "\xfe\xff":
		low = 1
	default:
		return errOtherwise
	}
	unit := func() (rune, error) {
		pair := make([]byte, 2)
		_, err := io.ReadFull(in, pair)
		return rune(pair[low]) | rune(pair[1-low])<<8, err
	}
	for {
		r, err := unit()
		if err == io.EOF {
			return nil
		}
		if err == nil && utf16.IsSurrogate(r) {
			var second rune
			second, err = unit()
			r = utf16.DecodeRune(r, second)
		}
		if err != nil {
			return errOtherwise
		}
		if _, err := out.WriteRune(r); err != nil {
			return err
		}
	}
}

// The beginning of what git-lfs leaves in the place of a file that it has not
// fetched (github.com/git-lfs/git-lfs, docs/spec.md), and its longest.
const (
	lfsVersion = "version https://git-lfs.github.com/spec/v1\n"
	lfsLongest = 1024
)

// lfsPointer finds a git-lfs pointer in the place of the file that it stands
// for.
func (l *look) lfsPointer() (Diagnosis, error) {
	if l.Computed.Size > lfsLongest || l.Computed.Size < int64(len(lfsVersion)) {
		return undiagnosed()
	}
	p, err := l.read(0, l.Computed.Size)
	if err != nil || !bytes.HasPrefix(p, []byte(lfsVersion)) {
		return Diagnosis{}, err
	}
	recorded, _ := l.Recorded.Digest(hashsets.SHA256)
	pointer := "it is a git-lfs pointer, and not the file; fetch that with: git lfs pull"
	switch {
	case bytes.Contains(p, []byte("\noid sha256:"+hex.EncodeToString(recorded)+"\n")):
		return diagnosed(finding.LFSPointer, pointer, "it points to the recorded content")
	case l.Recorded.Size > lfsLongest:
		return diagnosed(finding.LFSPointer, pointer, "it points to other content than is recorded")
	}
	return undiagnosed() // a damaged pointer where a pointer is recorded
}
