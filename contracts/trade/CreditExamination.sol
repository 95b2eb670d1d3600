// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CreditFindings} from "./CreditFindings.sol";
import {
    ANY_BANK,
    Availability,
    CreditState,
    Disposal,
    Examination,
    Examined,
    Life,
    Obligation,
    ObligationKind,
    Presentation,
    PresentationInput,
    Standing,
    Tenor,
    Terms
} from "./CreditTypes.sol";
import {ILetterOfCredit} from "./ILetterOfCredit.sol";
import {Members} from "./Members.sol";

/// @title Presentations: receipt, examination, refusal, honour (UCP 600 articles 6, 7, 12, 14 to 16, 18(b), 29)
/// @notice Linked library at a fixed address; works on the credit's own storage. The credit names the acting bank.
library CreditExamination {
    /// @dev 14(b): a maximum of five banking days following the day of presentation.
    uint16 private constant EXAMINATION_BANKING_DAYS = 5;
    uint256 private constant DOCUMENTS_MAX = 64;
    /// @dev A payment on its way may bear a value date that lies some days ahead.
    uint32 private constant VALUE_DAYS_AHEAD_MAX = 5;

    // ---------------------------------------------------------------- receipt

    /// @dev See ILetterOfCredit.present.
    function present(CreditState storage self, PresentationInput calldata given, bytes32 presenter)
        external
        returns (uint256 index)
    {
        _requireReceivable(self, given, presenter);
        index = self.presentations.length;
        if (given.previous != 0) _replace(self, given, presenter, index);

        Presentation storage made = self.presentations.push();
        made.presenter = presenter;
        made.examiningBank = given.examiningBank;
        made.documentsHash = keccak256(abi.encode(given.documents));
        made.amount = given.amount;
        made.receivedAt = uint64(block.timestamp);
        made.lastPresentationAt = _lastPresentationAt(self.terms, given);
        made.shipmentDay = given.shipmentDay;
        made.termsVersion = self.termsVersion;
        made.previous = given.previous;
        made.transportOriginal = given.transportOriginal;
        made.fullQuantity = given.fullQuantity;
        emit ILetterOfCredit.DocumentsPresented(
            index, presenter, given.examiningBank, given.amount, given.previous, given.documents
        );
        _startExamination(self, index, given.examiningBank, presenter);
    }

    function _requireReceivable(CreditState storage self, PresentationInput calldata given, bytes32 presenter)
        private
        view
    {
        if (self.life != Life.ISSUED) revert ILetterOfCredit.CreditNotInForce(self.life);
        // 6(d)(i), 29(a): the stored expiry is the close of a banking day already.
        if (block.timestamp > self.expiresAt) {
            revert ILetterOfCredit.UCP6dExpired(self.expiresAt, uint64(block.timestamp));
        }
        if (given.amount == 0) revert ILetterOfCredit.CreditAmountZero();
        if (given.documents.length == 0 || given.documents.length > DOCUMENTS_MAX) {
            revert ILetterOfCredit.CreditDocumentsOutOfRange(given.documents.length, DOCUMENTS_MAX);
        }
        for (uint256 i = 0; i < given.documents.length; ++i) {
            if (given.documents[i] == 0) revert ILetterOfCredit.CreditHashMissing("documents");
        }
        bytes32 nominated = self.parties.nominatedBank;
        bytes32 issuer = self.parties.issuingBank;
        bytes32 examiner = given.examiningBank;
        // 6(a), 6(d)(ii): the bank with which the credit is available, and always the issuing bank.
        bool availableHere = examiner == issuer || examiner == nominated
            || (nominated == ANY_BANK && Members.CONSORTIUM.isBank(examiner));
        if (!availableHere || examiner == ANY_BANK) revert ILetterOfCredit.UCP6dNotAPlaceOfPresentation(examiner);
        bool entitled = presenter == examiner || presenter == self.parties.beneficiaryBank
            || presenter == self.parties.advisingBank || presenter == nominated || nominated == ANY_BANK;
        if (!entitled) revert ILetterOfCredit.CreditPresenterNotEntitled(presenter);
    }

    /// @dev Corrected documents: linked to the refused presentation, which they replace.
    function _replace(CreditState storage self, PresentationInput calldata given, bytes32 presenter, uint256 index)
        private
    {
        uint256 old = given.previous - 1;
        Presentation storage refused = _presentation(self, old);
        if (refused.presenter != presenter) revert ILetterOfCredit.CreditWrongBank(presenter, refused.presenter);
        if (refused.replacedBy != 0) revert ILetterOfCredit.UCP16Replaced(old, refused.replacedBy - 1);
        // The issuing bank's answer counts once the documents have reached it, before that the first bank's.
        Examined answer = self.examinations[old][self.parties.issuingBank].status;
        if (answer == Examined.NONE) answer = self.examinations[old][refused.examiningBank].status;
        if (answer != Examined.REFUSED) revert ILetterOfCredit.UCP16NotRefused(old, refused.examiningBank);
        refused.replacedBy = uint32(index + 1);
    }

    /// @dev 14(c) with 29(a): the period runs in calendar days after shipment, and its last day may move on to a
    /// banking day. Zero where no original transport document is presented.
    function _lastPresentationAt(Terms storage terms, PresentationInput calldata given) private view returns (uint64 last) {
        if (!given.transportOriginal || given.shipmentDay == 0) return 0;
        (last,,) = Members.CALENDAR.bankingDayFrom(
            Members.placeOf(given.examiningBank), given.shipmentDay + terms.presentationDays
        );
    }

    function _startExamination(CreditState storage self, uint256 index, bytes32 bank, bytes32 presenter) private {
        bytes32 place = Members.placeOf(bank);
        Examination storage begun = self.examinations[index][bank];
        bool dayUnsure;
        bool deadlineUnsure;
        // 33: what arrives after the close of business counts on the next banking day.
        (begun.dayZero, dayUnsure) = Members.CALENDAR.bankingDayOf(place, uint64(block.timestamp));
        (begun.deadline,, deadlineUnsure) =
            Members.CALENDAR.addBankingDays(place, begun.dayZero, EXAMINATION_BANKING_DAYS);
        begun.provisional = dayUnsure || deadlineUnsure;
        begun.calendarVersion = uint32(Members.CALENDAR.version());
        begun.presenter = presenter;
        begun.status = Examined.EXAMINING;
        ++self.openExaminations;
        emit ILetterOfCredit.ExaminationStarted(index, bank, begun.dayZero, begun.deadline, begun.provisional);
    }

    /// @dev See ILetterOfCredit.forwardDocuments.
    function forwardDocuments(CreditState storage self, uint256 index, bytes32 bank) external {
        bytes32 issuer = self.parties.issuingBank;
        Examination storage own = _examination(self, index, bank);
        _requireLiving(self, index);
        if (own.documentsReturned) revert ILetterOfCredit.UCP16eDocumentsReturned(index, bank);
        if (bank == issuer || self.examinations[index][issuer].status != Examined.NONE) {
            revert ILetterOfCredit.CreditAlreadyAnswered("forwardDocuments");
        }
        if (own.status == Examined.WITHDRAWN) _forbidden(self, index, bank);
        if (own.status != Examined.REFUSED) --self.openExaminations;
        if (_isOpen(own.status)) own.status = Examined.FORWARDED;
        emit ILetterOfCredit.DocumentsForwarded(index, bank, issuer);
        _startExamination(self, index, issuer, bank);
    }

    // ---------------------------------------------------------------- examination

    /// @dev See ILetterOfCredit.seekWaiver. 16(b): nothing here touches the deadline.
    function seekWaiver(CreditState storage self, uint256 index, bytes32 requestHash, bytes32 bank) external {
        _requireIssuingBank(self, bank);
        Examination storage own = _examination(self, index, bank);
        if (own.status != Examined.EXAMINING && own.status != Examined.REFUSED) _forbidden(self, index, bank);
        emit ILetterOfCredit.WaiverSought(index, bank, requestHash);
    }

    /// @dev See ILetterOfCredit.determineCompliance.
    function determineCompliance(CreditState storage self, uint256 index, bytes32 bank) external {
        Examination storage own = _examination(self, index, bank);
        if (own.status == Examined.COMPLYING) revert ILetterOfCredit.UCP15AlreadyDetermined(index, bank);
        if (own.status != Examined.EXAMINING) _forbidden(self, index, bank);
        CreditFindings.requireNone(self, self.presentations[index]);
        own.status = Examined.COMPLYING;
        own.decidedAt = uint64(block.timestamp);
        emit ILetterOfCredit.ComplianceDetermined(index, bank);
    }

    /// @dev See ILetterOfCredit.refuse.
    function refuse(
        CreditState storage self,
        uint256 index,
        uint16 discrepancyCount,
        bytes32 discrepanciesHash,
        Disposal disposal,
        bytes32 bank
    ) external {
        Examination storage own = _examination(self, index, bank);
        // 16(c): a single notice.
        if (own.discrepancyCount != 0) revert ILetterOfCredit.UCP16cSecondNotice(index, bank, own.decidedAt);
        if (own.status == Examined.COMPLYING) revert ILetterOfCredit.UCP15AlreadyDetermined(index, bank);
        if (own.status != Examined.EXAMINING) _forbidden(self, index, bank);
        // 16(d): no later than the close of the fifth banking day; after it 16(f) holds for the issuing bank.
        if (block.timestamp > own.deadline) {
            revert ILetterOfCredit.UCP16dNoticeLate(own.deadline, uint64(block.timestamp));
        }
        // 16(c)(ii), (iii): each discrepancy, and what becomes of the documents.
        if (discrepancyCount == 0 || discrepanciesHash == 0) revert ILetterOfCredit.UCP16cNoDiscrepancy(index);
        if (disposal == Disposal.NONE) revert ILetterOfCredit.UCP16cNoDisposal(index);

        own.status = Examined.REFUSED;
        own.disposal = disposal;
        own.discrepancyCount = discrepancyCount;
        own.discrepanciesHash = discrepanciesHash;
        own.decidedAt = uint64(block.timestamp);
        --self.openExaminations;
        _releaseDrawing(self, self.presentations[index], bank);
        emit ILetterOfCredit.PresentationRefused(index, bank, discrepancyCount, discrepanciesHash, disposal);
    }

    /// @dev What a nominated bank has honoured is no drawing on the issuing bank that validly refuses it (16(g)).
    function _releaseDrawing(CreditState storage self, Presentation storage refused, bytes32 bank) private {
        if (bank != self.parties.issuingBank) return;
        self.drawn -= refused.consumed;
        refused.consumed = 0;
    }

    /// @dev See ILetterOfCredit.returnDocuments.
    function returnDocuments(CreditState storage self, uint256 index, bytes32 bank) external {
        Examination storage own = _examination(self, index, bank);
        if (own.status != Examined.REFUSED) revert ILetterOfCredit.UCP16NotRefused(index, bank);
        if (own.documentsReturned) revert ILetterOfCredit.UCP16eDocumentsReturned(index, bank);
        own.documentsReturned = true;
        emit ILetterOfCredit.DocumentsReturned(index, bank);
    }

    /// @dev See ILetterOfCredit.waive.
    function waive(CreditState storage self, uint256 index, bytes32 evidenceHash, bytes32 bank) external {
        _requireIssuingBank(self, bank);
        _requireLiving(self, index);
        Examination storage own = _examination(self, index, bank);
        if (own.status == Examined.REFUSED) {
            // 16(c)(iii)(c), (d) and 16(e): documents that go back are not the bank's to take up.
            bool held = own.disposal == Disposal.HOLD || own.disposal == Disposal.NOTIFY;
            if (!held || own.documentsReturned) revert ILetterOfCredit.UCP16eDocumentsReturned(index, bank);
            ++self.openExaminations;
        } else if (own.status != Examined.EXAMINING) {
            _forbidden(self, index, bank);
        } else if (block.timestamp > own.deadline) {
            revert ILetterOfCredit.UCP16fPrecluded(own.deadline, uint64(block.timestamp));
        }
        own.status = Examined.WAIVED;
        own.decidedAt = uint64(block.timestamp);
        emit ILetterOfCredit.DiscrepanciesWaived(index, bank, evidenceHash);
    }

    /// @dev See ILetterOfCredit.withdraw.
    function withdraw(
        CreditState storage self,
        uint256 index,
        bytes32 bank,
        bytes32 instructionHash,
        bytes32 presenter
    ) external {
        Examination storage theirs = _examination(self, index, bank);
        if (presenter != theirs.presenter) revert ILetterOfCredit.CreditWrongBank(presenter, theirs.presenter);
        if (!_isOpen(theirs.status)) _forbidden(self, index, bank);
        if (instructionHash == 0) revert ILetterOfCredit.CreditHashMissing("instructionHash");
        theirs.status = Examined.WITHDRAWN;
        theirs.decidedAt = uint64(block.timestamp);
        --self.openExaminations;
        _releaseDrawing(self, self.presentations[index], bank);
        emit ILetterOfCredit.PresentationWithdrawn(index, bank, instructionHash);
    }

    // ---------------------------------------------------------------- honour

    /// @dev See ILetterOfCredit.honour.
    function honour(CreditState storage self, uint256 index, uint32 statedMaturityDay, bytes32 bank)
        external
        returns (uint256 obligation)
    {
        Examination storage own = _examination(self, index, bank);
        Standing standing = CreditFindings.standing(self, own, bank);
        bool due = standing == Standing.COMPLYING || standing == Standing.WAIVED || standing == Standing.PRECLUDED;
        if (standing == Standing.EXAMINING) revert ILetterOfCredit.UCP15NotDetermined(index, bank);
        if (!due) revert ILetterOfCredit.CreditStandingForbids(index, bank, standing);

        uint128 amount = _draw(self, index, bank, own.presenter);
        obligation = self.obligations.length;
        Obligation storage made = self.obligations.push();
        made.presentation = uint32(index);
        made.kind = _kind(self, bank);
        made.maturityDay = _maturityDay(self, index, own, bank, statedMaturityDay);
        (made.dueAt,,) = Members.CALENDAR.bankingDayFrom(Members.placeOf(bank), made.maturityDay);
        made.amount = amount;
        made.debtor = bank;
        made.creditor = own.presenter;
        own.status = Examined.HONOURED;
        own.decidedAt = uint64(block.timestamp);
        // A nominated bank that has honoured is owed reimbursement (7(c)): open until it sends the documents on.
        if (bank == self.parties.issuingBank) --self.openExaminations;
        ++self.unsettled;
        emit ILetterOfCredit.PresentationHonoured(index, bank, obligation, made.kind, amount, made.maturityDay);
    }

    /// @dev 18(b): the credit is consumed at honour, once for each presentation, and never beyond what it holds.
    function _draw(CreditState storage self, uint256 index, bytes32 bank, bytes32 presenter)
        private
        returns (uint128 amount)
    {
        Presentation storage given = self.presentations[index];
        if (given.consumed != 0) return given.consumed; // 7(c): reimbursement of the bank that has honoured
        uint128 left = CreditFindings.available(self);
        if (left == 0) revert ILetterOfCredit.UCP18bNothingAvailable(self.drawn);
        amount = given.amount < left ? given.amount : left;
        if (!_drawsForTheBeneficiary(self, bank, presenter)) return amount;
        given.consumed = amount;
        self.drawn += amount;
    }

    /// @dev Whose honour uses the credit up: the issuing bank's, the bank's that it has named, and under a credit
    /// available with any bank one whose documents came from the beneficiary's side. Nobody has named the others.
    function _drawsForTheBeneficiary(CreditState storage self, bytes32 bank, bytes32 presenter)
        private
        view
        returns (bool)
    {
        if (bank == self.parties.issuingBank || bank == self.parties.nominatedBank) return true;
        return presenter == self.parties.beneficiaryBank || presenter == self.parties.advisingBank;
    }

    function _kind(CreditState storage self, bytes32 bank) private view returns (ObligationKind) {
        Availability availability = self.terms.availability;
        if (availability == Availability.NEGOTIATION && bank != self.parties.issuingBank) {
            return ObligationKind.NEGOTIATION;
        }
        if (self.terms.tenor == Tenor.SIGHT) return ObligationKind.PAYMENT;
        return availability == Availability.ACCEPTANCE ? ObligationKind.ACCEPTANCE : ObligationKind.UNDERTAKING;
    }

    /// @dev Article 3: "from" and "after" leave the named date out, so that n days after day d is day d + n.
    function _maturityDay(
        CreditState storage self,
        uint256 index,
        Examination storage own,
        bytes32 bank,
        uint32 statedMaturityDay
    ) private view returns (uint32 day) {
        Terms storage terms = self.terms;
        bool stated = terms.tenor == Tenor.OTHER;
        if (stated != (statedMaturityDay != 0)) revert ILetterOfCredit.UCP3MaturityNotStated(statedMaturityDay);
        if (stated) return statedMaturityDay;
        if (terms.tenor == Tenor.FIXED_DATE) return terms.maturityDay;
        if (terms.tenor == Tenor.AFTER_SHIPMENT) {
            uint32 shipmentDay = self.presentations[index].shipmentDay;
            if (shipmentDay == 0) revert ILetterOfCredit.UCP3ShipmentDateMissing(index);
            return shipmentDay + terms.tenorDays;
        }
        (uint32 today,) = Members.CALENDAR.bankingDayOf(Members.placeOf(bank), uint64(block.timestamp));
        if (terms.tenor == Tenor.SIGHT) return today;
        // Sight is the day of presentation; after a refusal it is the day of the waiver.
        bool late = own.status == Examined.WAIVED && own.discrepancyCount != 0;
        (uint32 decided,) = Members.CALENDAR.bankingDayOf(Members.placeOf(bank), own.decidedAt);
        return (late ? decided : own.dayZero) + terms.tenorDays;
    }

    /// @dev See ILetterOfCredit.settle.
    function settle(
        CreditState storage self,
        uint256 index,
        bytes32 proofHash,
        uint32 valueDay,
        bytes32 bank
    ) external {
        uint256 count = self.obligations.length;
        if (index >= count) revert ILetterOfCredit.CreditUnknownObligation(index, count);
        Obligation storage owed = self.obligations[index];
        if (bank != owed.debtor) revert ILetterOfCredit.CreditWrongBank(bank, owed.debtor);
        if (owed.settledAt != 0) revert ILetterOfCredit.CreditAlreadySettled(index, owed.settledAt);
        if (proofHash == 0) revert ILetterOfCredit.CreditHashMissing("proofHash");
        if (valueDay == 0) revert ILetterOfCredit.CreditHashMissing("valueDay");
        _requireValueDay(self, valueDay);
        owed.settledAt = uint64(block.timestamp);
        owed.valueDay = valueDay;
        owed.proofHash = proofHash;
        --self.unsettled;
        emit ILetterOfCredit.ObligationSettled(index, proofHash, valueDay);
    }

    function _requireValueDay(CreditState storage self, uint32 valueDay) private view {
        uint32 earliest = uint32(self.issuedAt / 1 days);
        uint32 latest = uint32(block.timestamp / 1 days) + VALUE_DAYS_AHEAD_MAX;
        if (valueDay < earliest || valueDay > latest) {
            revert ILetterOfCredit.CreditValueDayOutOfRange(valueDay, earliest, latest);
        }
    }

    // ---------------------------------------------------------------- reading

    /// @dev See ILetterOfCredit.examination.
    function standingOf(CreditState storage self, uint256 index, bytes32 bank) external view returns (Standing) {
        return CreditFindings.standing(self, self.examinations[index][bank], bank);
    }

    /// @dev See ILetterOfCredit.findings.
    function findings(CreditState storage self, uint256 index) external view returns (uint16) {
        return CreditFindings.findings(self, _presentation(self, index));
    }

    /// @dev What may still be drawn; nothing once a single permitted drawing is made (31(a)).
    function available(CreditState storage self) external view returns (uint128) {
        return CreditFindings.available(self);
    }

    /// @dev A presentation goes on while its credit is neither closed nor cancelled and it was not replaced itself.
    function _requireLiving(CreditState storage self, uint256 index) private view {
        if (self.life != Life.ISSUED && self.life != Life.EXPIRED) revert ILetterOfCredit.CreditNotInForce(self.life);
        uint256 replacedBy = _presentation(self, index).replacedBy;
        if (replacedBy != 0) revert ILetterOfCredit.UCP16Replaced(index, replacedBy - 1);
    }

    function _requireIssuingBank(CreditState storage self, bytes32 bank) private view {
        bytes32 issuer = self.parties.issuingBank;
        if (bank != issuer) revert ILetterOfCredit.UCP16bOnlyIssuingBank(bank, issuer);
    }

    function _presentation(CreditState storage self, uint256 index) private view returns (Presentation storage) {
        uint256 count = self.presentations.length;
        if (index >= count) revert ILetterOfCredit.CreditUnknownPresentation(index, count);
        return self.presentations[index];
    }

    /// @dev The bank's own examination; a bank that has received nothing has none.
    function _examination(CreditState storage self, uint256 index, bytes32 bank)
        private
        view
        returns (Examination storage own)
    {
        Presentation storage given = _presentation(self, index);
        own = self.examinations[index][bank];
        if (own.status == Examined.NONE) revert ILetterOfCredit.CreditWrongBank(bank, given.examiningBank);
    }

    function _isOpen(Examined status) private pure returns (bool) {
        return status == Examined.EXAMINING || status == Examined.COMPLYING || status == Examined.WAIVED;
    }

    function _forbidden(CreditState storage self, uint256 index, bytes32 bank) private view {
        revert ILetterOfCredit.CreditStandingForbids(
            index, bank, CreditFindings.standing(self, self.examinations[index][bank], bank)
        );
    }
}
