// shapes.go: JSON into the SDK's structs and back, by reflection. Members are called as on the wire: toolUseId is ToolUseId.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	agentdocument "github.com/aws/aws-sdk-go-v2/service/bedrockagentruntime/document"
	runtimedocument "github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	smithydocument "github.com/aws/smithy-go/document"
)

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// onWire is how a service calls its members.
var onWire = map[string]func(string) string{"sts": upperFirst}
var wireName = lowerFirst

// ---- in ----

func fill(to reflect.Value, from any) error {
	switch to.Kind() {
	case reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		return fill(to.Elem(), from)
	case reflect.Struct:
		return fillStruct(to, from)
	case reflect.Slice:
		return fillSlice(to, from)
	case reflect.Map:
		return fillMap(to, from)
	case reflect.Interface:
		return fillInterface(to, from)
	}
	return fillScalar(to, from)
}

func fillStruct(to reflect.Value, from any) error {
	members, good := from.(map[string]any)
	if !good {
		return fmt.Errorf("%s is made of an object, not of %v", to.Type(), from)
	}
	for key, value := range members {
		field := to.FieldByName(upperFirst(key))
		if !field.IsValid() {
			return fmt.Errorf("%s has no %s", to.Type(), key)
		}
		if err := fill(field, value); err != nil {
			return err
		}
	}
	return nil
}

func fillSlice(to reflect.Value, from any) error {
	if to.Type().Elem().Kind() == reflect.Uint8 {
		data, err := bytesOf(from)
		to.SetBytes(data)
		return err
	}
	items := from.([]any)
	to.Set(reflect.MakeSlice(to.Type(), len(items), len(items)))
	for i, item := range items {
		if err := fill(to.Index(i), item); err != nil {
			return err
		}
	}
	return nil
}

func bytesOf(from any) ([]byte, error) {
	if text, plain := from.(string); plain {
		return []byte(text), nil
	}
	return base64.StdEncoding.DecodeString(from.(map[string]any)["$base64"].(string))
}

func fillMap(to reflect.Value, from any) error {
	to.Set(reflect.MakeMap(to.Type()))
	for key, value := range from.(map[string]any) {
		item := reflect.New(to.Type().Elem()).Elem()
		if err := fill(item, value); err != nil {
			return err
		}
		to.SetMapIndex(reflect.ValueOf(key).Convert(to.Type().Key()), item)
	}
	return nil
}

// fillInterface: a document, or the member of a union that the one key of an object names.
func fillInterface(to reflect.Value, from any) error {
	for _, document := range []any{runtimedocument.NewLazyDocument(documentOf(from)), agentdocument.NewLazyDocument(documentOf(from))} {
		if reflect.TypeOf(document).Implements(to.Type()) {
			to.Set(reflect.ValueOf(document))
			return nil
		}
	}
	for key, value := range from.(map[string]any) {
		for _, member := range unions {
			t := reflect.TypeOf(member)
			if reflect.PointerTo(t).Implements(to.Type()) && strings.HasSuffix(t.Name(), "Member"+upperFirst(key)) {
				made := reflect.New(t)
				to.Set(made)
				return fill(made.Elem().FieldByName("Value"), value)
			}
		}
		return fmt.Errorf("%s has no member %s", to.Type(), key)
	}
	return nil // a union of no member
}

func documentOf(v any) any {
	switch x := v.(type) {
	case json.Number:
		return smithydocument.Number(x)
	case []any:
		out := make([]any, len(x))
		for i, item := range x {
			out[i] = documentOf(item)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for key, item := range x {
			out[key] = documentOf(item)
		}
		return out
	}
	return v
}

func fillScalar(to reflect.Value, from any) error {
	switch x := from.(type) {
	case string:
		to.SetString(x)
	case bool:
		to.SetBool(x)
	case json.Number:
		if to.CanInt() {
			n, err := x.Int64()
			to.SetInt(n)
			return err
		}
		n, err := x.Float64()
		to.SetFloat(n)
		return err
	default:
		return fmt.Errorf("%s cannot be made of %v", to.Type(), from)
	}
	return nil
}

// ---- out ----

// members gives a struct as an object, without what is not set.
func members(v reflect.Value) answer {
	out := answer{}
	for i := range v.NumField() {
		if field := v.Type().Field(i); field.IsExported() && !v.Field(i).IsZero() {
			out[wireName(field.Name)] = plain(v.Field(i))
		}
	}
	return out
}

func plain(v reflect.Value) any {
	if document, good := v.Interface().(smithydocument.Marshaler); good {
		data, err := document.MarshalSmithyDocument()
		if err != nil {
			return answer{"$unmarshalled": err.Error()}
		}
		return json.RawMessage(data)
	}
	if moment, good := v.Interface().(time.Time); good {
		return moment.UTC().Format("2006-01-02T15:04:05Z")
	}
	switch v.Kind() {
	case reflect.Pointer:
		return plain(v.Elem())
	case reflect.Interface:
		kind, value := unionMember(v.Elem())
		return answer{kind: value}
	case reflect.Struct:
		return members(v)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return answer{"$base64": base64.StdEncoding.EncodeToString(v.Bytes())}
		}
		out := make([]any, v.Len())
		for i := range out {
			out[i] = plain(v.Index(i))
		}
		return out
	case reflect.Map:
		out := answer{}
		for _, key := range v.MapKeys() {
			out[key.String()] = plain(v.MapIndex(key))
		}
		return out
	}
	return v.Interface()
}

// unionMember: ContentBlockMemberText is {"text": …}; what the SDK does not know has a tag.
func unionMember(pointer reflect.Value) (string, any) {
	v := pointer
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if !v.IsValid() {
		return "$unknown", answer{}
	}
	if tag := v.FieldByName("Tag"); tag.IsValid() {
		return "$unknown", answer{"tag": tag.String()}
	}
	_, name, _ := strings.Cut(v.Type().Name(), "Member")
	return lowerFirst(name), plain(v.FieldByName("Value"))
}
