// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SystemAddresses} from "../libraries/SystemAddresses.sol";
import {CreditAmendments} from "./CreditAmendments.sol";
import {CreditExamination} from "./CreditExamination.sol";
import {CreditIssuance} from "./CreditIssuance.sol";
import {
    Advice,
    Amendment,
    AmendmentChanges,
    Confirmation,
    ConfirmationRequest,
    CreditState,
    CreditView,
    Disposal,
    Examination,
    Life,
    Obligation,
    Parties,
    Presentation,
    PresentationInput,
    Standing,
    Terms
} from "./CreditTypes.sol";
import {ILetterOfCredit} from "./ILetterOfCredit.sol";
import {Members} from "./Members.sol";

/// @title A documentary credit (UCP 600)
/// @dev The implementation that each credit's clone delegates to. Presentations are in CreditExamination, amendments
/// in CreditAmendments, the terms' own rules in CreditIssuance; this file is the credit's life and its one face.
contract LetterOfCredit is ILetterOfCredit {
    CreditState private _state;

    /// @inheritdoc ILetterOfCredit
    function initialize(Parties calldata parties_, Terms calldata terms_, bytes32 approvalsHash) external {
        if (msg.sender != SystemAddresses.LETTER_OF_CREDIT_FACTORY) revert CreditNotFactory(msg.sender);
        if (_state.life != Life.NONE) revert CreditNotInForce(_state.life);
        Members.record(parties_.issuingBank, approvalsHash);
        CreditIssuance.issue(_state, parties_, terms_);
    }

    /// @inheritdoc ILetterOfCredit
    function advise(bytes32 approvalsHash) external {
        bytes32 bank = _unansweredAdvice(approvalsHash);
        _state.advice = Advice.ADVISED;
        emit CreditAdvised(bank);
    }

    /// @inheritdoc ILetterOfCredit
    function declineAdvice(bytes32 reasonHash, bytes32 approvalsHash) external {
        bytes32 bank = _unansweredAdvice(approvalsHash);
        _state.advice = Advice.DECLINED;
        emit AdviceDeclined(bank, reasonHash);
    }

    /// @inheritdoc ILetterOfCredit
    function declineConfirmation(bytes32 approvalsHash) external {
        Members.actorIs(_state.parties.advisingBank, approvalsHash);
        _requireInForce();
        if (_state.parties.confirmationRequest == ConfirmationRequest.WITHOUT) revert UCP8NoConfirmationRequested();
        if (_state.confirmation != Confirmation.NONE) revert CreditAlreadyAnswered("declineConfirmation");
        _state.confirmation = Confirmation.DECLINED;
        emit ConfirmationDeclined(_state.parties.advisingBank);
    }

    /// @inheritdoc ILetterOfCredit
    function amend(AmendmentChanges calldata changes, bytes32 approvalsHash) external returns (uint256) {
        Members.actorIs(_state.parties.issuingBank, approvalsHash);
        _requireInForce();
        return CreditAmendments.amend(_state, changes);
    }

    /// @inheritdoc ILetterOfCredit
    function acceptAmendment(uint256 index, bytes32 instructionHash, bytes32 approvalsHash) external {
        bytes32 bank = _beneficiarysBank(instructionHash, approvalsHash);
        _requireInForce();
        CreditAmendments.accept(_state, index, bank, instructionHash);
    }

    /// @inheritdoc ILetterOfCredit
    function rejectAmendment(uint256 index, bool partly, bytes32 instructionHash, bytes32 approvalsHash) external {
        bytes32 bank = _beneficiarysBank(instructionHash, approvalsHash);
        _requireInForce();
        CreditAmendments.reject(_state, index, bank, instructionHash, partly);
    }

    /// @inheritdoc ILetterOfCredit
    function consentToCancellation(bytes32 instructionHash, bytes32 approvalsHash) external {
        bytes32 bank = _beneficiarysBank(instructionHash, approvalsHash);
        _requireInForce();
        if (_state.cancellationConsented) revert CreditAlreadyAnswered("consentToCancellation");
        _state.cancellationConsented = true;
        emit CancellationConsented(bank, instructionHash, bank == _state.parties.issuingBank);
    }

    /// @inheritdoc ILetterOfCredit
    function cancel(bytes32 approvalsHash) external {
        Members.actorIs(_state.parties.issuingBank, approvalsHash);
        _requireInForce();
        if (!_state.cancellationConsented) revert UCP10aNoConsent();
        if (_state.openExaminations != 0) revert CreditStillOpen(_state.openExaminations, _state.unsettled);
        _state.life = Life.CANCELLED;
        emit CreditCancelled();
    }

    /// @inheritdoc ILetterOfCredit
    function expire(bytes32 approvalsHash) external {
        _anyParty(approvalsHash);
        _requireInForce();
        if (block.timestamp <= _state.expiresAt) revert UCP6dNotExpired(_state.expiresAt, uint64(block.timestamp));
        // A presentation made in time keeps its clock beyond expiry (14(b)).
        if (_state.openExaminations != 0) revert CreditStillOpen(_state.openExaminations, _state.unsettled);
        _state.life = Life.EXPIRED;
        emit CreditExpired();
    }

    /// @inheritdoc ILetterOfCredit
    function close(bytes32 approvalsHash) external {
        _anyParty(approvalsHash);
        bool spent = _state.life == Life.ISSUED && CreditExamination.available(_state) == 0;
        bool ended = _state.life == Life.CANCELLED || _state.life == Life.EXPIRED;
        if (!spent && !ended) revert CreditNotInForce(_state.life);
        if (_state.openExaminations != 0 || _state.unsettled != 0) {
            revert CreditStillOpen(_state.openExaminations, _state.unsettled);
        }
        _state.life = Life.CLOSED;
        emit CreditClosed();
    }

    /// @inheritdoc ILetterOfCredit
    function present(PresentationInput calldata given, bytes32 approvalsHash) external returns (uint256) {
        return CreditExamination.present(_state, given, Members.actor(approvalsHash));
    }

    /// @inheritdoc ILetterOfCredit
    function forwardDocuments(uint256 index, bytes32 approvalsHash) external {
        CreditExamination.forwardDocuments(_state, index, Members.actor(approvalsHash));
    }

    /// @inheritdoc ILetterOfCredit
    function seekWaiver(uint256 index, bytes32 requestHash, bytes32 approvalsHash) external {
        CreditExamination.seekWaiver(_state, index, requestHash, Members.actor(approvalsHash));
    }

    /// @inheritdoc ILetterOfCredit
    function determineCompliance(uint256 index, bytes32 approvalsHash) external {
        CreditExamination.determineCompliance(_state, index, Members.actor(approvalsHash));
    }

    /// @inheritdoc ILetterOfCredit
    function refuse(
        uint256 index,
        uint16 discrepancyCount,
        bytes32 discrepanciesHash,
        Disposal disposal,
        bytes32 approvalsHash
    ) external {
        CreditExamination.refuse(_state, index, discrepancyCount, discrepanciesHash, disposal, Members.actor(approvalsHash));
    }

    /// @inheritdoc ILetterOfCredit
    function returnDocuments(uint256 index, bytes32 approvalsHash) external {
        CreditExamination.returnDocuments(_state, index, Members.actor(approvalsHash));
    }

    /// @inheritdoc ILetterOfCredit
    function waive(uint256 index, bytes32 evidenceHash, bytes32 approvalsHash) external {
        CreditExamination.waive(_state, index, evidenceHash, Members.actor(approvalsHash));
    }

    /// @inheritdoc ILetterOfCredit
    function withdraw(uint256 index, bytes32 bank, bytes32 instructionHash, bytes32 approvalsHash) external {
        CreditExamination.withdraw(_state, index, bank, instructionHash, Members.actor(approvalsHash));
    }

    /// @inheritdoc ILetterOfCredit
    function honour(uint256 index, uint32 statedMaturityDay, bytes32 approvalsHash) external returns (uint256) {
        return CreditExamination.honour(_state, index, statedMaturityDay, Members.actor(approvalsHash));
    }

    /// @inheritdoc ILetterOfCredit
    function settle(uint256 index, bytes32 proofHash, uint32 valueDay, bytes32 approvalsHash) external {
        CreditExamination.settle(_state, index, proofHash, valueDay, Members.actor(approvalsHash));
    }

    /// @inheritdoc ILetterOfCredit
    function credit() external view returns (CreditView memory everything) {
        everything.parties = _state.parties;
        everything.terms = _state.terms;
        everything.life = _state.life;
        everything.advice = _state.advice;
        everything.confirmation = _state.confirmation;
        everything.cancellationConsented = _state.cancellationConsented;
        everything.expiryProvisional = _state.expiryProvisional;
        everything.expired = block.timestamp > _state.expiresAt;
        everything.termsVersion = _state.termsVersion;
        everything.openExaminations = _state.openExaminations;
        everything.unsettled = _state.unsettled;
        everything.expiresAt = _state.expiresAt;
        everything.issuedAt = _state.issuedAt;
        everything.drawn = _state.drawn;
        everything.available = CreditExamination.available(_state);
        everything.amendmentCount = uint32(_state.amendments.length);
        everything.presentationCount = uint32(_state.presentations.length);
        everything.obligationCount = uint32(_state.obligations.length);
    }

    /// @inheritdoc ILetterOfCredit
    function amendment(uint256 index) external view returns (Amendment memory found) {
        uint256 count = _state.amendments.length;
        if (index >= count) revert CreditUnknownAmendment(index, count);
        return _state.amendments[index];
    }

    /// @inheritdoc ILetterOfCredit
    function presentation(uint256 index) external view returns (Presentation memory found) {
        uint256 count = _state.presentations.length;
        if (index >= count) revert CreditUnknownPresentation(index, count);
        return _state.presentations[index];
    }

    /// @inheritdoc ILetterOfCredit
    function obligation(uint256 index) external view returns (Obligation memory found) {
        uint256 count = _state.obligations.length;
        if (index >= count) revert CreditUnknownObligation(index, count);
        return _state.obligations[index];
    }

    /// @inheritdoc ILetterOfCredit
    function examination(uint256 index, bytes32 bank)
        external
        view
        returns (Examination memory found, Standing standing)
    {
        return (_state.examinations[index][bank], CreditExamination.standingOf(_state, index, bank));
    }

    /// @inheritdoc ILetterOfCredit
    function findings(uint256 index) external view returns (uint16 bits) {
        return CreditExamination.findings(_state, index);
    }

    function _requireInForce() private view {
        if (_state.life != Life.ISSUED) revert CreditNotInForce(_state.life);
    }

    function _unansweredAdvice(bytes32 approvalsHash) private returns (bytes32 bank) {
        bank = _state.parties.advisingBank;
        Members.actorIs(bank, approvalsHash);
        _requireInForce();
        if (_state.advice != Advice.NONE) revert CreditAlreadyAnswered("advise");
    }

    /// @dev 10(a): only the bank that serves the beneficiary passes on its consent, with the signed instruction's hash.
    function _beneficiarysBank(bytes32 instructionHash, bytes32 approvalsHash) private returns (bytes32 bank) {
        bank = Members.actor(approvalsHash);
        bytes32 expected = _state.parties.beneficiaryBank;
        if (bank != expected) revert UCP10aOnlyBeneficiarysBank(bank, expected);
        if (instructionHash == 0) revert CreditHashMissing("instructionHash");
    }

    function _anyParty(bytes32 approvalsHash) private {
        bytes32 bank = Members.actor(approvalsHash);
        Parties storage parties = _state.parties;
        bool isParty = bank == parties.issuingBank || bank == parties.advisingBank || bank == parties.beneficiaryBank
            || bank == parties.nominatedBank;
        if (!isParty) revert CreditWrongBank(bank, parties.issuingBank);
    }
}
