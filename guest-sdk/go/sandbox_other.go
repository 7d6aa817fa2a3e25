//go:build !wasip1

package op

const sandboxed = false
