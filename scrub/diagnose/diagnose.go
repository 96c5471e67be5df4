// Package diagnose names the kind of damage that a blob has, from its bytes
// and from what is recorded, and gives the evidence.
//
// It does not judge whether a blob is damaged, and repairs nothing.
package diagnose
