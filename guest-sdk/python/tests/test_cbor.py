"""CBOR: the examples of RFC 8949, the deterministic form, what is refused."""

import math

import pytest

from cofferdam_op._cbor import CborError, decode, encode


@pytest.mark.parametrize(
    ("value", "hexadecimal"),
    [
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (1000000, "1a000f4240"),
        (-1, "20"),
        (-1000, "3903e7"),
        (2**63 - 1, "1b7fffffffffffffff"),
        (-(2**63), "3b7fffffffffffffff"),
        (2**53 + 1, "1b0020000000000001"),
        (0.0, "f90000"),
        (1.5, "f93e00"),
        (100000.0, "fa47c35000"),
        (1.1, "fb3ff199999999999a"),
        (1e300, "fb7e37e43c8800759c"),
        (math.inf, "f97c00"),
        (False, "f4"),
        (None, "f6"),
        ("", "60"),
        ("ü", "62c3bc"),
        ([1, [2, 3]], "8201820203"),
        ({"b": 1, "a": 2, "aa": 3}, "a3616102616201626161" + "03"),
    ],
)
def test_values_have_the_bytes_of_the_rfc_and_come_back(value, hexadecimal):
    assert encode(value).hex() == hexadecimal
    assert decode(encode(value)) == value


def test_there_is_one_nan():
    assert encode(math.nan).hex() == encode(-math.nan).hex() == "f97e00"
    assert math.isnan(decode(encode(math.nan)))


def test_other_forms_are_read_as_well():
    assert decode(bytes.fromhex("9f0102ff")) == [1, 2]
    assert decode(bytes.fromhex("bf616101ff")) == {"a": 1}
    assert decode(bytes.fromhex("7f61616162ff")) == "ab"
    assert decode(bytes.fromhex("1b0000000000000001")) == 1
    assert decode(bytes.fromhex("c11a514b67b0")) == 1363896240
    assert decode(bytes.fromhex("c249010000000000000000")) == 2**64
    assert decode(bytes.fromhex("a10102")) == {"1": 2}


@pytest.mark.parametrize(
    ("hexadecimal", "message"),
    [
        ("6161ff", "more bytes follow"),
        ("61", "ends in the middle"),
        ("9b00ffffffffffffff", "ends in the middle"),
        ("ff", "end mark"),
        ("61ff", "not UTF-8"),
        ("a1f601", "key of a map"),
        ("81" * 200 + "00", "nested deeper"),
        ("1c", "means nothing"),
        ("", "ends in the middle"),
    ],
)
def test_bytes_that_are_no_value_are_refused(hexadecimal, message):
    with pytest.raises(CborError, match=message):
        decode(bytes.fromhex(hexadecimal))


def test_what_has_no_form_is_refused():
    with pytest.raises(CborError, match="does not fit into 64 bits; hand it on as text"):
        encode(2**63)
    with pytest.raises(CborError, match="type `set`"):
        encode({1})
    with pytest.raises(CborError, match="key 1 of a map is not text"):
        encode({1: 2})
