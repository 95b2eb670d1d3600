// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev Integer economics of receivables finance, in minor units; straight discount, rounding half to even.

/// @notice ACT/360 (USD, EUR, JPY, CHF by habit) or ACT/365 fixed (GBP, HKD, SGD, AUD); the contract says which.
enum DayCount {
    Act360,
    Act365Fixed
}

/// @notice The legs of one financing: payout + discount + reserve = eligible.
struct Legs {
    uint128 eligible;
    uint128 advance;
    uint128 discount;
    uint128 payout;
    uint128 reserve;
    uint32 discountDays;
}

uint256 constant BPS = 10_000;

/// @notice x / y, a half rounded to the even neighbour.
function divideHalfEven(uint256 x, uint256 y) pure returns (uint256 q) {
    q = x / y;
    uint256 twice = 2 * (x % y);
    if (twice > y || (twice == y && q % 2 == 1)) q += 1;
}

/// @notice The basis of a day count, in days of a year.
function basisOf(DayCount dayCount) pure returns (uint256) {
    return dayCount == DayCount.Act360 ? 360 : 365;
}

/// @notice discount = advance x rate x days / basis; what rounding leaves goes to the reserve.
/// @dev The products stay far below 2**256: an amount has 128 bits, a fraction and a rate 14, days 32.
function legsOf(
    uint128 face,
    uint16 fractionBps,
    uint16 advanceBps,
    uint32 rateBps,
    uint32 discountDays,
    DayCount dayCount
) pure returns (Legs memory legs) {
    uint256 eligible = (uint256(face) * fractionBps) / BPS;
    uint256 advance = divideHalfEven(eligible * advanceBps, BPS);
    uint256 discount = divideHalfEven(advance * rateBps * discountDays, BPS * basisOf(dayCount));
    legs.eligible = uint128(eligible);
    legs.advance = uint128(advance);
    legs.discount = uint128(discount);
    // A discount above the advance leaves nothing to pay out; the caller refuses such an offer.
    legs.payout = discount < advance ? uint128(advance - discount) : 0;
    legs.reserve = uint128(eligible - advance);
    legs.discountDays = discountDays;
}
