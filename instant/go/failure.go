package main

import (
	"fmt"
	"strings"
)

// The codes of E that this program assigns itself.
const (
	codeNoAnswer   = 0
	codeInternal   = 100
	codeBadRequest = 107
)

// failure is the reason why a message, or a whole batch, was not accepted.
type failure struct {
	code uint32
	// retry means that the same request may succeed later.
	retry bool
	// inspect means that a command that is not JSON may be the cause.
	inspect bool
	// split means that the commands must be sent one by one to find the cause.
	split  bool
	reason string
}

// noAnswer returns a failure that the messages themselves did not cause.
func noAnswer(format string, args ...any) *failure {
	return &failure{code: codeNoAnswer, retry: true, reason: clean(fmt.Sprintf(format, args...))}
}

// ofStatus returns the failure for an HTTP status other than 200 to a batch of n commands.
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

// apiError is an error object of the server's API.
type apiError struct {
	Code    uint32 `json:"code"`
	Message string `json:"message"`
}

func (e *apiError) failure() *failure {
	return &failure{code: e.Code, retry: e.Code == codeInternal, reason: clean(e.Message)}
}

// clean truncates a text to maxReason bytes of valid UTF-8, for an E frame.
func clean(text string) string {
	if len(text) > maxReason {
		text = text[:maxReason]
	}
	return strings.ToValidUTF8(text, "")
}
