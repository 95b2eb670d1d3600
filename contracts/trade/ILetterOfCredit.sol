// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    Amendment,
    AmendmentChanges,
    CreditView,
    Disposal,
    Examination,
    Life,
    Obligation,
    ObligationKind,
    Parties,
    Presentation,
    PresentationInput,
    Standing,
    Terms
} from "./CreditTypes.sol";

/// @title A documentary credit under UCP 600
/// @notice One minimal clone for each credit; its address is the credit's id. Life, advice and drawings are
/// independent of each other: a presentation needs only an issued credit (article 7(b)).
///
/// Every act is a member bank's, sent from its business account, and carries the hash of both officers' approvals.
/// Free text (goods, documents, conditions, discrepancies) stands as a hash. Errors are named by their article.
interface ILetterOfCredit {
    // ---------------------------------------------------------------- events

    /// @notice Emitted with every act: who acted, by which function, on whose approvals.
    event ActApproved(bytes32 indexed bank, bytes4 indexed act, bytes32 approvalsHash);
    event CreditIssued(bytes32 indexed issuingBank, bytes32 indexed referenceHash, uint64 expiresAt, bool provisional);
    event CreditAdvised(bytes32 indexed bank);
    event AdviceDeclined(bytes32 indexed bank, bytes32 reasonHash);
    event ConfirmationDeclined(bytes32 indexed bank);
    event AmendmentIssued(uint256 indexed amendment, bytes32 amendmentHash);
    /// @notice `selfAttested`: the bank that speaks for the beneficiary is the issuing bank itself.
    event AmendmentAccepted(
        uint256 indexed amendment, bytes32 indexed bank, bytes32 instructionHash, bool selfAttested, uint32 termsVersion
    );
    /// @notice `partly`: the beneficiary accepted a part, which is a rejection of the whole (10(e)).
    event AmendmentRejected(
        uint256 indexed amendment, bytes32 indexed bank, bytes32 instructionHash, bool selfAttested, bool partly
    );
    event CancellationConsented(bytes32 indexed bank, bytes32 instructionHash, bool selfAttested);
    event CreditCancelled();
    event DocumentsPresented(
        uint256 indexed presentation,
        bytes32 indexed presenter,
        bytes32 indexed examiningBank,
        uint128 amount,
        uint32 previous,
        bytes32[] documents
    );
    /// @notice A bank's clock began (14(b)): the day of receipt and the stored deadline.
    event ExaminationStarted(
        uint256 indexed presentation, bytes32 indexed bank, uint32 dayZero, uint64 deadline, bool provisional
    );
    event DocumentsForwarded(uint256 indexed presentation, bytes32 indexed from, bytes32 indexed to);
    event WaiverSought(uint256 indexed presentation, bytes32 indexed bank, bytes32 requestHash);
    event ComplianceDetermined(uint256 indexed presentation, bytes32 indexed bank);
    event PresentationRefused(
        uint256 indexed presentation,
        bytes32 indexed bank,
        uint16 discrepancyCount,
        bytes32 discrepanciesHash,
        Disposal disposal
    );
    event DocumentsReturned(uint256 indexed presentation, bytes32 indexed bank);
    event DiscrepanciesWaived(uint256 indexed presentation, bytes32 indexed bank, bytes32 evidenceHash);
    event PresentationWithdrawn(uint256 indexed presentation, bytes32 indexed bank, bytes32 instructionHash);
    event PresentationHonoured(
        uint256 indexed presentation,
        bytes32 indexed bank,
        uint256 indexed obligation,
        ObligationKind kind,
        uint128 amount,
        uint32 maturityDay
    );
    event ObligationSettled(uint256 indexed obligation, bytes32 proofHash, uint32 valueDay);
    event CreditExpired();
    event CreditClosed();

    // ---------------------------------------------------------------- errors: who and when

    error CreditNotFactory(address sender);
    error CreditNotMemberBank(address sender);
    error CreditApprovalsMissing();
    error CreditHashMissing(string field);
    /// @notice The act belongs to another bank.
    error CreditWrongBank(bytes32 actor, bytes32 expected);
    error CreditPresenterNotEntitled(bytes32 actor);
    error CreditNotInForce(Life life);
    error CreditStillOpen(uint32 openExaminations, uint32 unsettled);
    error CreditUnknownAmendment(uint256 amendment, uint256 count);
    error CreditUnknownPresentation(uint256 presentation, uint256 count);
    error CreditUnknownObligation(uint256 obligation, uint256 count);
    /// @notice A value date lies between the day of issue and a few days from now.
    error CreditValueDayOutOfRange(uint32 valueDay, uint32 earliest, uint32 latest);
    error CreditAlreadySettled(uint256 obligation, uint64 settledAt);
    error CreditStandingForbids(uint256 presentation, bytes32 bank, Standing standing);
    error CreditAlreadyAnswered(string act);
    error CreditDocumentsOutOfRange(uint256 count, uint256 limit);

    // ---------------------------------------------------------------- errors: terms

    error CreditAmountZero();
    error CreditCurrencyInvalid(bytes3 currency, uint8 exponent);
    error CreditPartyMissing(string party);
    error CreditNotABank(string role, bytes32 memberId);
    error CreditToleranceInvalid(uint8 plusPercent, uint8 minusPercent);
    /// @notice Article 1: the rules stated are not among those this contract carries.
    error UCP1RulesNotSupported(uint8 rules);
    error UCP3ShipmentDateMissing(uint256 presentation);
    error UCP3MaturityNotStated(uint32 statedMaturityDay);
    error UCP6aAvailableWithNoBank();
    error UCP6bAvailabilityMissing();
    error UCP6bTenorConflict(uint8 availability, uint8 tenor);
    error UCP6cDraftOnApplicant(bytes32 applicant);
    error UCP6dNoExpiry();
    error UCP6dExpired(uint64 expiresAt, uint64 actedAt);
    error UCP6dNotExpired(uint64 expiresAt, uint64 actedAt);
    error UCP6dNotAPlaceOfPresentation(bytes32 bank);

    // ---------------------------------------------------------------- errors: acts

    error UCP8NoConfirmationRequested();
    error UCP10aNoConsent();
    error UCP10aOnlyBeneficiarysBank(bytes32 actor, bytes32 beneficiaryBank);
    error UCP10NotPending(uint256 amendment, uint8 status);
    error UCP10BelowDrawn(uint128 available, uint128 drawn);
    error UCP10AmountOutOfRange(uint128 amount, int128 change);
    error UCP14cPresentedLate(uint64 lastPresentationAt, uint64 receivedAt);
    error UCP14iPostDated(uint32 shipmentDay, uint32 latest);
    error UCP15AlreadyDetermined(uint256 presentation, bytes32 bank);
    error UCP15NotDetermined(uint256 presentation, bytes32 bank);
    error UCP16bOnlyIssuingBank(bytes32 actor, bytes32 issuingBank);
    error UCP16cSecondNotice(uint256 presentation, bytes32 bank, uint64 firstNoticeAt);
    error UCP16cNoDiscrepancy(uint256 presentation);
    error UCP16cNoDisposal(uint256 presentation);
    error UCP16dNoticeLate(uint64 deadline, uint64 actedAt);
    error UCP16eDocumentsReturned(uint256 presentation, bytes32 bank);
    error UCP16fPrecluded(uint64 deadline, uint64 actedAt);
    error UCP16NotRefused(uint256 presentation, bytes32 bank);
    error UCP16Replaced(uint256 presentation, uint256 by);
    error UCP18bNothingAvailable(uint128 drawn);
    error UCP29cShippedLate(uint32 latestShipmentDay, uint32 shipmentDay);
    error UCP30Overdrawn(uint128 available, uint128 amount);
    error UCP30cShortDrawn(uint128 minimum, uint128 amount);
    error UCP31aPartialDrawing(uint128 drawn, uint128 amount);

    // ---------------------------------------------------------------- acts: the credit

    /// @notice Called once by the factory in the transaction that makes the clone; the issuing bank is bound from
    /// here (7(b)). The factory has found the issuing bank from the sender.
    function initialize(Parties calldata parties_, Terms calldata terms_, bytes32 approvalsHash) external;

    /// @notice The advising bank has satisfied itself of the credit's authenticity and advises it (9(b)).
    function advise(bytes32 approvalsHash) external;

    /// @notice The advising bank elects not to advise (9(e)).
    function declineAdvice(bytes32 reasonHash, bytes32 approvalsHash) external;

    /// @notice The bank asked to confirm does not (8(d)).
    function declineConfirmation(bytes32 approvalsHash) external;

    /// @notice The issuing bank amends and is bound from here (10(b)); the terms stay until the beneficiary's side
    /// accepts. Silence is neither acceptance nor rejection, and a clause that says so counts for nothing (10(c), (f)).
    /// @return amendment its index
    function amend(AmendmentChanges calldata changes, bytes32 approvalsHash) external returns (uint256 amendment);

    /// @notice The beneficiary's bank passes on acceptance of the whole amendment (10(a), (c)).
    /// @param instructionHash hash of the beneficiary's signed instruction
    function acceptAmendment(uint256 amendment, bytes32 instructionHash, bytes32 approvalsHash) external;

    /// @notice The beneficiary's bank passes on rejection; acceptance of a part is one (10(d), (e)).
    function rejectAmendment(uint256 amendment, bool partly, bytes32 instructionHash, bytes32 approvalsHash) external;

    /// @notice The beneficiary's bank passes on consent to cancellation (10(a)).
    function consentToCancellation(bytes32 instructionHash, bytes32 approvalsHash) external;

    /// @notice The issuing bank cancels, which the beneficiary must have agreed to (10(a)).
    function cancel(bytes32 approvalsHash) external;

    /// @notice Any party records that the credit has expired with nothing in progress (6(d), (e)).
    function expire(bytes32 approvalsHash) external;

    /// @notice Any party closes a credit that is cancelled, expired or fully drawn, when all is settled.
    function close(bytes32 approvalsHash) external;

    // ---------------------------------------------------------------- acts: presentations

    /// @notice Documents are presented at a bank where the credit is available (6(a), (d)(ii)) no later than expiry
    /// (6(d), 29(a)). The presenter is the beneficiary's, advising or nominated bank, or the examining bank itself
    /// for what reached it directly. What is late by 14(c) or 29(c), or out of amount by 30, is taken in, and then
    /// cannot be determined to comply.
    /// @return presentation its index
    function present(PresentationInput calldata given, bytes32 approvalsHash) external returns (uint256 presentation);

    /// @notice A bank that is not the issuing bank sends the documents on to it: the issuing bank's own clock starts.
    function forwardDocuments(uint256 presentation, bytes32 approvalsHash) external;

    /// @notice The issuing bank approaches the applicant; its clock runs on (16(b)).
    function seekWaiver(uint256 presentation, bytes32 requestHash, bytes32 approvalsHash) external;

    /// @notice The examining bank determines that the presentation complies (14(a), 15).
    function determineCompliance(uint256 presentation, bytes32 approvalsHash) external;

    /// @notice The examining bank refuses by its single notice, in time, with each discrepancy and the disposal of the
    /// documents (16(c), (d)). A second, late or defective notice reverts: nothing was given.
    function refuse(
        uint256 presentation,
        uint16 discrepancyCount,
        bytes32 discrepanciesHash,
        Disposal disposal,
        bytes32 approvalsHash
    ) external;

    /// @notice The refusing bank returns the documents, at any time after its notice (16(e)).
    function returnDocuments(uint256 presentation, bytes32 approvalsHash) external;

    /// @notice The issuing bank takes up despite discrepancies, in its own judgement (16(b)).
    /// @param evidenceHash the applicant's word, evidence only; zero where there is none
    function waive(uint256 presentation, bytes32 evidenceHash, bytes32 approvalsHash) external;

    /// @notice The presenter takes an undecided presentation back from a bank.
    function withdraw(uint256 presentation, bytes32 bank, bytes32 instructionHash, bytes32 approvalsHash) external;

    /// @notice Honour (7, 15), or a nominated bank's honour or negotiation (12): a complying or waived presentation,
    /// or one that the issuing bank is precluded from refusing (16(f)). Never more than the credit holds (18(b)). Where the
    /// credit is available with any bank, honour by a bank that stands for no side of it takes nothing from the credit
    /// before the issuing bank honours too: else any member could use it up by papers of its own.
    /// @param statedMaturityDay only where the tenor is OTHER, zero otherwise
    /// @return obligation index of what is now owed, at sight or at maturity
    function honour(uint256 presentation, uint32 statedMaturityDay, bytes32 approvalsHash)
        external
        returns (uint256 obligation);

    /// @notice The debtor records payment: reference and proof by hash, value date by day (at most five days from now).
    function settle(uint256 obligation, bytes32 proofHash, uint32 valueDay, bytes32 approvalsHash) external;

    // ---------------------------------------------------------------- views

    function credit() external view returns (CreditView memory everything);

    function amendment(uint256 index) external view returns (Amendment memory found);

    function presentation(uint256 index) external view returns (Presentation memory found);

    function obligation(uint256 index) external view returns (Obligation memory found);

    /// @notice One bank's examination of one presentation as stored, and its standing at the block's time.
    function examination(uint256 presentation_, bytes32 bank)
        external
        view
        returns (Examination memory found, Standing standing);

    /// @notice What the contract itself sees against a presentation, as bits (FINDING_*).
    function findings(uint256 presentation_) external view returns (uint16 bits);
}
