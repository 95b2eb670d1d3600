// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Terms, ToleranceKind} from "../trade/CreditTypes.sol";

/// @title Amounts within tolerance (UCP 600 article 30, MT700 field 39A)
/// @notice Rounds inward: the maximum down, the minimum up, so that no bank is bound beyond the stated percentage.
library Tolerances {
    /// @dev 30(a): "about" and "approximately" are ten per cent either way.
    uint256 private constant ABOUT_PERCENT = 10;
    /// @dev 30(c): five per cent less, where the quantity is shipped in full and the unit price is not reduced.
    uint256 private constant FULL_QUANTITY_PERCENT = 5;

    /// @notice The most that all drawings together may reach.
    function maximum(Terms storage terms) internal view returns (uint128) {
        return SafeCast.toUint128(uint256(terms.amount) * (100 + _plus(terms)) / 100);
    }

    /// @notice The least that a single drawing may be where partial drawings are prohibited.
    /// @param fullQuantity shipped in full at an unreduced unit price
    function minimum(Terms storage terms, bool fullQuantity) internal view returns (uint128) {
        uint256 minus = _minus(terms);
        if (terms.toleranceKind == ToleranceKind.NONE && fullQuantity) minus = FULL_QUANTITY_PERCENT;
        return SafeCast.toUint128((uint256(terms.amount) * (100 - minus) + 99) / 100);
    }

    function _plus(Terms storage terms) private view returns (uint256) {
        if (terms.toleranceKind == ToleranceKind.ABOUT) return ABOUT_PERCENT;
        return terms.toleranceKind == ToleranceKind.PERCENT ? terms.plusPercent : 0;
    }

    function _minus(Terms storage terms) private view returns (uint256) {
        if (terms.toleranceKind == ToleranceKind.ABOUT) return ABOUT_PERCENT;
        return terms.toleranceKind == ToleranceKind.PERCENT ? terms.minusPercent : 0;
    }
}
