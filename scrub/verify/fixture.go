package verify

import "context"

// diagnose says what happened to a file that does not match.
func (c *checker) diagnose(ctx context.Context, at place, res *Result) {}
