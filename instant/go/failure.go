package main

import (
	"fmt"
	"strings"
)

// The codes of E that are not simply passed on from the server.
const (
	codeNoAnswer   = 0
	codeInternal   = 100
	codeBadRequest = 107
)

// failure is why a message, or a whole batch, was not taken.
type failure struct {
	code uint32
	// retry: the same thing may succeed later.
	retry bool
	// inspect: a command that is not JSON may be the cause.
	inspect bool
	// split: the commands must be sent one by one to find the cause.
	split  bool
	reason string
}

// noAnswer is a failure that says nothing of the messages.
func noAnswer(format string, args ...any) *failure {
	return &failure{code: codeNoAnswer, retry: true, reason: clean(fmt.Sprintf(format, args...))}
}

// ofStatus is the failure for an HTTP status other than 200, for a batch of n commands.
func ofStatus(status, n int) *failure {
	reason := fmt.Sprintf("the server answered HTTP %d", status)
	switch {
	case status >= 500:
		return &failure{code: codeNoAnswer, retry: true, reason: reason}
	case (status == 400 || status == 413) && n > 1:
		return &failure{code: codeNoAnswer, retry: true, inspect: true, split: true, reason: reason}
	case status == 400:
		return &failure{code: codeBadRequest, reason: "bad request: " + reason}
	case status == 401:
		return &failure{code: 401, reason: "the server refused the API key"}
	}
	return &failure{code: uint32(status), reason: reason}
}

// apiError is the server's own word for what is wrong.
type apiError struct {
	Code    uint32 `json:"code"`
	Message string `json:"message"`
}

func (e *apiError) failure() *failure {
	return &failure{code: e.Code, retry: e.Code == codeInternal, reason: clean(e.Message)}
}

// clean makes a text fit for an E frame.
func clean(text string) string {
	if len(text) > maxReason {
		text = text[:maxReason]
	}
	return strings.ToValidUTF8(text, "")
}
