package report

import "fmt"

// Status is an exit status with what to say about it: it is how a verb tells
// the program how to end.
type Status struct {
	Exit Exit
	Err  error // nil when everything was said already
}

func (s *Status) Error() string {
	if s.Err == nil {
		return fmt.Sprintf("exit status %d", s.Exit)
	}
	return s.Err.Error()
}

func (s *Status) Unwrap() error { return s.Err }

// Ended is the error with which a verb ends: nil for exit status 0.
func Ended(exit Exit, err error) error {
	if exit == ExitClean && err == nil {
		return nil
	}
	return &Status{exit, err}
}

// Misused is a usage error.
func Misused(format string, args ...any) error {
	return &Status{ExitUsage, fmt.Errorf(format, args...)}
}
