package op

// Verdict is the output of an op that checks an asset.
type Verdict struct {
	Passed bool `json:"passed"`
	// Severity is `error`, or `warn` for what is worth a look.
	Severity string `json:"severity" enum:"warn,error"`
	// Description says in words what was found.
	Description *string `json:"description"`
}

// Passed says that all is well.
func (c *Context) Passed() Verdict { return c.verdict(Verdict{Passed: true, Severity: "error"}) }

// Failed says that something is wrong, and why; a blocking check stops for it.
func (c *Context) Failed(why string) Verdict {
	return c.verdict(Verdict{Severity: "error", Description: &why})
}

// Warned says that something is worth a look, and why.
func (c *Context) Warned(why string) Verdict {
	return c.verdict(Verdict{Severity: "warn", Description: &why})
}

// The host reads a verdict from the step's metadata, so that it need not open values.
func (c *Context) verdict(verdict Verdict) Verdict {
	c.Metadata("passed", verdict.Passed)
	c.Metadata("severity", verdict.Severity)
	if verdict.Description != nil {
		c.Metadata("description", *verdict.Description)
	}
	return verdict
}
