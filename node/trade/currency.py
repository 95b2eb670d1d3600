"""Money: integers in minor units by the exponents of ISO 4217. More decimals are refused, never rounded."""

from __future__ import annotations

import re

from node.errors import DataError

AMOUNT_MAX = 2**128 - 1
"""Amounts on the chain are uint128."""

_EXPONENT_0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_EXPONENT_2 = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE "
    "CHF CHW CNH CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD "
    "HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU "
    "MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG "
    "SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST "
    "XCD XCG YER ZAR ZMW ZWG"
)
_EXPONENT_3 = "BHD IQD JOD KWD LYD OMR TND"
_EXPONENT_4 = "CLF UYW"

EXPONENTS: dict[str, int] = {
    code: exponent
    for exponent, codes in ((0, _EXPONENT_0), (2, _EXPONENT_2), (3, _EXPONENT_3), (4, _EXPONENT_4))
    for code in codes.split()
}
"""ISO 4217 code -> decimals of its minor unit. CNH is the market's name for offshore renminbi, not an ISO code."""

_DECIMAL = re.compile(r"([0-9]{1,40})(?:[.,]([0-9]{0,20}))?\Z")


def exponent_of(currency: str) -> int:
    """Decimals of the currency's minor unit; DataError for a code that is not in the table."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise DataError(f"currency {currency!r} is not in ISO 4217", field="currency") from None


def to_minor_units(text: str, currency: str) -> int:
    """``"1234,5"`` or ``"1234.50"`` -> 123450 for EUR.

    Errors: DataError (field ``amount``) for a malformed number, for more decimals than the currency has (trailing
    zeros beyond the exponent too: MT network rule C03 counts digits, not value), and for more than uint128.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise DataError(f"amount {text!r} is not a decimal number", field="amount")
    exponent = exponent_of(currency)
    whole, fraction = match.group(1), match.group(2) or ""
    if len(fraction) > exponent:
        raise DataError(
            f"amount {text!r} has {len(fraction)} decimals, {currency} allows {exponent}",
            field="amount",
            rule="C03",
        )
    value = int(whole) * int(10**exponent) + int((fraction or "0").ljust(exponent, "0") or "0")
    if value > AMOUNT_MAX:
        raise DataError(f"amount {text!r} exceeds 2^128-1 minor units", field="amount")
    return value


def amount_in(text: str, currency: str, exponent: int) -> int:
    """to_minor_units for a deal that stands on the chain with its own exponent; DataError where that is not ISO 4217's,
    for the same words would then mean another sum there."""
    if exponent_of(currency) != exponent:
        raise DataError(
            f"the deal counts {currency} with {exponent} decimals, ISO 4217 with {exponent_of(currency)}",
            field="currency",
        )
    return to_minor_units(text, currency)


def format_amount(minor_units: int, currency: str, *, separator: str = ".", exponent: int | None = None) -> str:
    """123450, EUR -> ``1234.50``; with ``separator=","`` the form that an MT amount takes (``1000,`` for JPY).

    ``exponent``: as it stands with a deal on the chain, where any three letters may be a currency; the table's if None.
    """
    exponent = exponent_of(currency) if exponent is None else exponent
    whole, fraction = divmod(minor_units, 10**exponent)
    if exponent == 0:
        return f"{whole}," if separator == "," else str(whole)
    return f"{whole}{separator}{fraction:0{exponent}d}"
