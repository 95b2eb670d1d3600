// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Tolerances} from "../libraries/Tolerances.sol";
import {
    CreditState,
    Examination,
    Examined,
    FINDING_LATE_PRESENTATION,
    FINDING_LATE_SHIPMENT,
    FINDING_OVERDRAWN,
    FINDING_PARTIAL_DRAWING,
    FINDING_POST_DATED,
    FINDING_SHORT_DRAWN,
    Presentation,
    Standing,
    Terms
} from "./CreditTypes.sol";
import {ILetterOfCredit} from "./ILetterOfCredit.sol";

/// @title What follows from a credit's records and the time, without any act (UCP 600 articles 14(c), 16(f), 29 to 31)
library CreditFindings {
    using Tolerances for Terms;

    /// @notice What may still be drawn; nothing once a single permitted drawing is made (31(a)).
    function available(CreditState storage self) internal view returns (uint128) {
        if (self.drawn != 0 && !self.terms.partialDrawings) return 0;
        uint128 most = self.terms.maximum();
        return most > self.drawn ? most - self.drawn : 0;
    }

    /// @notice 16(f) names the issuing and the confirming bank: a nominated bank that lets its days pass owes nothing.
    function standing(CreditState storage self, Examination storage own, bytes32 bank) internal view returns (Standing) {
        bool isPrecluded = own.status == Examined.EXAMINING && block.timestamp > own.deadline
            && bank == self.parties.issuingBank;
        return isPrecluded ? Standing.PRECLUDED : Standing(uint8(own.status));
    }

    /// @notice The bits of FINDING_*.
    function findings(CreditState storage self, Presentation storage given) internal view returns (uint16 bits) {
        Terms storage terms = self.terms;
        if (given.lastPresentationAt != 0 && given.receivedAt > given.lastPresentationAt) {
            bits |= FINDING_LATE_PRESENTATION;
        }
        // 29(c): the latest date of shipment is not extended by 29(a).
        if (terms.latestShipmentDay != 0 && given.shipmentDay > terms.latestShipmentDay) bits |= FINDING_LATE_SHIPMENT;
        // 14(i): no document bears a date after its presentation; a day later may have begun where it was written.
        if (given.shipmentDay > _lastPossibleDay(given)) bits |= FINDING_POST_DATED;
        uint128 others = self.drawn - given.consumed;
        uint128 most = terms.maximum();
        if (uint256(others) + given.amount > most) bits |= FINDING_OVERDRAWN;
        if (terms.partialDrawings) return bits;
        if (others != 0) bits |= FINDING_PARTIAL_DRAWING;
        if (given.amount < terms.minimum(given.fullQuantity)) bits |= FINDING_SHORT_DRAWN;
    }

    /// @notice A presentation that the contract can see to be discrepant cannot be determined to comply.
    function requireNone(CreditState storage self, Presentation storage given) internal view {
        uint16 bits = findings(self, given);
        if (bits == 0) return;
        Terms storage terms = self.terms;
        if (bits & FINDING_LATE_PRESENTATION != 0) {
            revert ILetterOfCredit.UCP14cPresentedLate(given.lastPresentationAt, given.receivedAt);
        }
        if (bits & FINDING_LATE_SHIPMENT != 0) {
            revert ILetterOfCredit.UCP29cShippedLate(terms.latestShipmentDay, given.shipmentDay);
        }
        if (bits & FINDING_POST_DATED != 0) {
            revert ILetterOfCredit.UCP14iPostDated(given.shipmentDay, _lastPossibleDay(given));
        }
        uint128 others = self.drawn - given.consumed;
        if (bits & FINDING_PARTIAL_DRAWING != 0) revert ILetterOfCredit.UCP31aPartialDrawing(others, given.amount);
        if (bits & FINDING_SHORT_DRAWN != 0) {
            revert ILetterOfCredit.UCP30cShortDrawn(terms.minimum(given.fullQuantity), given.amount);
        }
        uint128 most = terms.maximum();
        revert ILetterOfCredit.UCP30Overdrawn(most > others ? most - others : 0, given.amount);
    }
    function _lastPossibleDay(Presentation storage given) private view returns (uint32) {
        return uint32(given.receivedAt / 1 days) + 1;
    }
}
