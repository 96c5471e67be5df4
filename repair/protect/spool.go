package protect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync"
)

// spoolBuffer is how much a spool writes at once, and reads at once.
const spoolBuffer = 256 << 10

// A spool is a scratch file of things that are too many to hold in memory. It
// is written first and then read, as a whole or at positions.
type spool[T any] struct {
	encode func(*encoder, T)
	decode func(*decoder) T

	mu      sync.Mutex
	file    *os.File
	size    int64 // written, what is in pending included
	pending encoder
	window  []byte // of the file, where it was read last by at
	from    int64  // of the window in the file
	count   int64
}

// newSpool makes a spool in the folder dir. Close removes it.
func newSpool[T any](dir string, encode func(*encoder, T), decode func(*decoder) T) (*spool[T], error) {
	f, err := os.CreateTemp(dir, "spool-*")
	if err != nil {
		return nil, fmt.Errorf("make a scratch file: %w", err)
	}
	return &spool[T]{encode: encode, decode: decode, file: f}, nil
}

// Close closes and removes the spool.
func (s *spool[T]) Close() error {
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}

// add appends v and returns its position.
func (s *spool[T]) add(v T) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.size
	start := len(s.pending.buf)
	s.pending.buf = append(s.pending.buf, 0, 0, 0, 0)
	s.encode(&s.pending, v)
	binary.LittleEndian.PutUint32(s.pending.buf[start:], uint32(len(s.pending.buf)-start-4))
	s.size += int64(len(s.pending.buf) - start)
	s.count++
	if len(s.pending.buf) >= spoolBuffer {
		return at, s.flush()
	}
	return at, nil
}

func (s *spool[T]) flush() error {
	if len(s.pending.buf) == 0 {
		return nil
	}
	if _, err := s.file.WriteAt(s.pending.buf, s.size-int64(len(s.pending.buf))); err != nil {
		return fmt.Errorf("write a scratch file: %w", err)
	}
	s.pending.buf = s.pending.buf[:0]
	return nil
}

// at reads what was added at a position. Positions that are near each other
// are read from the file at once.
func (s *spool[T]) at(position int64) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readAt(position)
}

func (s *spool[T]) readAt(position int64) (T, error) {
	var none T
	if err := s.flush(); err != nil {
		return none, err
	}
	head, err := s.bytes(position, 4)
	if err != nil {
		return none, err
	}
	body, err := s.bytes(position+4, int64(binary.LittleEndian.Uint32(head)))
	if err != nil {
		return none, err
	}
	d := decoder{buf: body}
	v := s.decode(&d)
	if d.err != nil {
		return none, d.err
	}
	return v, nil
}

// bytes returns n bytes of the file, valid until the next call.
func (s *spool[T]) bytes(from, n int64) ([]byte, error) {
	if from < s.from || from+n > s.from+int64(len(s.window)) {
		want := min(max(n, spoolBuffer), s.size-from)
		if want < n {
			return nil, errScratch
		}
		if int64(cap(s.window)) < want {
			s.window = make([]byte, want)
		}
		s.window, s.from = s.window[:want], from
		if _, err := s.file.ReadAt(s.window, from); err != nil && !errors.Is(err, io.EOF) {
			s.window = s.window[:0]
			return nil, fmt.Errorf("read a scratch file: %w", err)
		}
	}
	return s.window[from-s.from:][:n], nil
}

// all yields everything with its position, in the order in which it was added.
// The spool may be used in between; what is added meanwhile is yielded too.
func (s *spool[T]) all() iter.Seq2[entryOf[T], error] {
	return func(yield func(entryOf[T], error) bool) {
		var at int64
		reader := &spool[T]{encode: s.encode, decode: s.decode, file: s.file}
		for {
			s.mu.Lock()
			size := s.size
			err := s.flush()
			s.mu.Unlock()
			if err == nil && at >= size {
				return
			}
			var v T
			var length int64
			if err == nil {
				reader.size = size
				v, err = reader.readAt(at)
			}
			if err == nil {
				head, headErr := reader.bytes(at, 4)
				if err = headErr; err == nil {
					length = 4 + int64(binary.LittleEndian.Uint32(head))
				}
			}
			if !yield(entryOf[T]{at: at, value: v}, err) || err != nil {
				return
			}
			at += length
		}
	}
}

// entryOf is something in a spool.
type entryOf[T any] struct {
	at    int64
	value T
}
