package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
)

// exchange is one request and the head of its answer.
type exchange struct {
	AuditID  string `json:"auditID"`
	Method   string `json:"method"`
	Target   string `json:"target"`
	Asked    string `json:"asked"`
	Sent     string `json:"sent"`
	Received string `json:"received"`
	Code     int    `json:"code"`
}

func (e exchange) isWatch() bool { return strings.Contains(e.Target, "watch=true") }

// isStreamingList tells a watch that begins with what is there (KEP-3157).
func (e exchange) isStreamingList() bool {
	return e.isWatch() && strings.Contains(e.Target, "sendInitialEvents=true")
}

// exchanges are all that the clients had with the proxy, in the order of the answers.
type exchanges struct {
	mutex sync.Mutex
	all   []exchange
}

// recorded is a transport that keeps the exchanges.
func (x *exchanges) recorded(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(request)
		if err == nil {
			x.add(request, response)
		}
		return response, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

func (x *exchanges) add(request *http.Request, response *http.Response) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.all = append(x.all, exchange{
		AuditID:  response.Header.Get("Audit-Id"),
		Method:   request.Method,
		Target:   request.URL.RequestURI(),
		Asked:    request.Header.Get("Accept"),
		Sent:     request.Header.Get("Content-Type"),
		Received: response.Header.Get("Content-Type"),
		Code:     response.StatusCode,
	})
}

// now is a point to look back to.
func (x *exchanges) now() int {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	return len(x.all)
}

// since has the exchanges after a point on some path.
func (x *exchanges) since(point int, path string) []exchange {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	var found []exchange
	for _, each := range x.all[point:] {
		if strings.Contains(each.Target, path) {
			found = append(found, each)
		}
	}
	return found
}

func (x *exchanges) noFailures(context.Context) (string, error) {
	all := x.since(0, "")
	for _, each := range all {
		if each.Code >= 500 {
			return "", fmt.Errorf("%s %s: %d", each.Method, each.Target, each.Code)
		}
		if each.AuditID == "" {
			return "", fmt.Errorf("%s %s: no Audit-Id", each.Method, each.Target)
		}
	}
	return fmt.Sprintf("%d requests", len(all)), nil
}

// write leaves a line for each exchange, if somebody wants it.
func (x *exchanges) write(path string) error {
	if path == "" {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(file)
	for _, each := range x.since(0, "") {
		err = errors.Join(err, encoder.Encode(each))
	}
	return errors.Join(err, file.Close())
}
