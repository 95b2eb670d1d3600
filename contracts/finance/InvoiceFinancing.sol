// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {IConsortium} from "../governance/IConsortium.sol";
import {SystemAddresses} from "../libraries/SystemAddresses.sol";
import {Legs, legsOf} from "./Economics.sol";
import {IFinancingRegistry} from "./IFinancingRegistry.sol";
import {IInvoiceFinancing} from "./IInvoiceFinancing.sol";

/// @title One invoice on its way to finance: a minimal clone whose address is its id
contract InvoiceFinancing is IInvoiceFinancing, Initializable {
    uint32 public constant MAX_RATE_BPS = 10_000;
    uint16 public constant MAX_ADVANCE_BPS = 10_000;
    /// @notice A value date may lie this many days before or after the day of the block that records it.
    uint32 public constant VALUE_DATE_WINDOW = 5;
    /// @notice Longest time from the due date to the expected payment.
    uint32 public constant MAX_GRACE_DAYS = 365;
    /// @notice Longest time from today to the due date.
    uint32 public constant MAX_TENOR_DAYS = 3_650;
    /// @notice Keeps every product of the economics far from overflow.
    uint128 public constant MAX_AMOUNT = type(uint128).max / 10_000;

    IConsortium private constant CONSORTIUM = IConsortium(SystemAddresses.CONSORTIUM);
    IFinancingRegistry private constant REGISTRY = IFinancingRegistry(SystemAddresses.FINANCING_REGISTRY);

    Invoice private _invoice;
    mapping(uint256 offerId => Offer) private _offers;
    mapping(bytes32 bank => bool) private _hasOffered;

    /// @inheritdoc IInvoiceFinancing
    /// @dev Only the factory calls this, and only on clones: the implementation stays empty for ever.
    function initialize(
        bytes32 sellerBank,
        InvoiceTerms calldata terms,
        IFinancingRegistry.Tag[] calldata tags,
        bytes32 approvalsHash
    ) external initializer {
        if (msg.sender != SystemAddresses.INVOICE_FINANCING_FACTORY) revert NotFactory(msg.sender);
        _requireHash(approvalsHash, "approvalsHash");
        _checkInvoice(terms);
        _invoice.terms = terms;
        _invoice.sellerBank = sellerBank;
        _invoice.registeredAt = uint64(block.timestamp);
        emit InvoiceRegistered(sellerBank, terms.buyerBank, terms.invoiceHash, terms, approvalsHash);
        REGISTRY.register(tags);
    }

    /// @inheritdoc IInvoiceFinancing
    function recordBuyerAcceptance(bytes32 instructionHash, bool selfAttested, bytes32 approvalsHash) external {
        bytes32 bank = _callingBank();
        bytes32 buyerBank = _invoice.terms.buyerBank;
        if (bank != buyerBank) revert NotBuyersBank(bank, buyerBank);
        _requireHash(instructionHash, "instructionHash");
        _requireHash(approvalsHash, "approvalsHash");
        if (_invoice.buyerAcceptedAt != 0) revert BuyerAlreadyAccepted(_invoice.buyerAcceptedAt);
        _requireAttestation(bank, selfAttested, bank == _invoice.sellerBank || _hasOffered[bank]);
        _invoice.buyerAcceptedAt = uint64(block.timestamp);
        _invoice.buyerAcceptanceSelfAttested = selfAttested;
        _invoice.buyerInstructionHash = instructionHash;
        emit BuyerAccepted(bank, instructionHash, selfAttested, approvalsHash);
    }

    /// @inheritdoc IInvoiceFinancing
    function makeOffer(OfferTerms calldata terms, bytes32 approvalsHash) external returns (uint256 offerId) {
        bytes32 bank = _callingBank();
        _requireHash(approvalsHash, "approvalsHash");
        _checkOffer(bank, terms);
        _hasOffered[bank] = true;
        offerId = ++_invoice.offerCount;
        Offer storage offer = _offers[offerId];
        offer.bank = bank;
        offer.terms = terms;
        offer.state = OfferState.Open;
        offer.holdId = REGISTRY.hold(bank, terms.fractionBps, terms.expiry);
        emit OfferMade(offerId, bank, offer.holdId, terms, approvalsHash);
    }

    /// @inheritdoc IInvoiceFinancing
    function acceptOffer(uint256 offerId, bytes32 instructionHash, bytes32 approvalsHash) external {
        bytes32 bank = _callingBank();
        if (bank != _invoice.sellerBank) revert NotSellersBank(bank, _invoice.sellerBank);
        _requireHash(instructionHash, "instructionHash");
        _requireHash(approvalsHash, "approvalsHash");
        Offer storage offer = _offerIn(offerId, OfferState.Open);
        _requireInTime(offerId, offer);
        offer.state = OfferState.Accepted;
        emit OfferAccepted(offerId, bank, instructionHash, bank == offer.bank, approvalsHash);
    }

    /// @inheritdoc IInvoiceFinancing
    function disburse(uint256 offerId, uint32 valueDay, bytes32 proofHash, bytes32 approvalsHash) external {
        Offer storage offer = _offerIn(offerId, OfferState.Accepted);
        bytes32 bank = _requireFinancingBank(offer);
        _requireHash(proofHash, "proofHash");
        _requireHash(approvalsHash, "approvalsHash");
        _requireInTime(offerId, offer);
        if (offer.terms.needsBuyerAcceptance && _invoice.buyerAcceptedAt == 0) revert BuyerAcceptanceMissing();
        uint32 today = _today();
        if (valueDay < today - VALUE_DATE_WINDOW || valueDay > today + VALUE_DATE_WINDOW) {
            revert ValueDayOutOfRange(valueDay, today - VALUE_DATE_WINDOW, today + VALUE_DATE_WINDOW);
        }
        Legs memory legs = _legs(offer, valueDay);
        if (legs.payout == 0) revert NothingToPayOut(legs.advance, legs.discount);
        offer.state = OfferState.Disbursed;
        offer.valueDay = valueDay;
        offer.legs = legs;
        REGISTRY.finance(offer.holdId);
        emit Disbursed(offerId, bank, valueDay, legs, proofHash, approvalsHash);
    }

    /// @inheritdoc IInvoiceFinancing
    function repay(uint256 offerId, uint128 amount, bytes32 proofHash, bytes32 approvalsHash) external {
        Offer storage offer = _offerIn(offerId, OfferState.Disbursed);
        bytes32 bank = _requireFinancingBank(offer);
        _requireHash(proofHash, "proofHash");
        _requireHash(approvalsHash, "approvalsHash");
        if (amount == 0) revert RepaymentZero();
        uint128 outstanding = offer.legs.eligible - offer.collected;
        if (amount > outstanding) revert RepaymentTooLarge(amount, outstanding);
        uint128 advanceLeft = offer.collected < offer.legs.advance ? offer.legs.advance - offer.collected : 0;
        uint128 toAdvance = amount < advanceLeft ? amount : advanceLeft;
        offer.collected += amount;
        emit RepaymentReceived(
            offerId, amount, toAdvance, amount - toAdvance, outstanding - amount, proofHash, approvalsHash
        );
        if (amount != outstanding) return;
        offer.state = OfferState.Repaid;
        emit FinancingRepaid(offerId, bank);
        REGISTRY.markPaid(offer.holdId);
    }

    /// @inheritdoc IInvoiceFinancing
    function release(uint256 offerId, bytes32 proofHash, bytes32 approvalsHash) external {
        bytes32 bank = _callingBank();
        _requireHash(approvalsHash, "approvalsHash");
        Offer storage offer = _known(offerId);
        OfferState before = offer.state;
        if (before == OfferState.Open) {
            if (bank != offer.bank && bank != _invoice.sellerBank) revert NotFinancingBank(bank, offer.bank);
        } else if (before == OfferState.Accepted) {
            _requireMayEndAccepted(bank, offer);
        } else if (before == OfferState.Disbursed) {
            if (bank != offer.bank) revert NotFinancingBank(bank, offer.bank);
            _requireHash(proofHash, "proofHash");
        } else {
            revert OfferInWrongState(offerId, before, OfferState.Open);
        }
        offer.state = OfferState.Released;
        emit OfferReleased(offerId, offer.bank, before, proofHash, approvalsHash);
        REGISTRY.release(offer.holdId);
    }

    /// @inheritdoc IInvoiceFinancing
    function invoice() external view returns (Invoice memory) {
        return _invoice;
    }

    /// @inheritdoc IInvoiceFinancing
    function offerOf(uint256 offerId) external view returns (Offer memory found) {
        found = _known(offerId);
        bool undecided = found.state == OfferState.Open || found.state == OfferState.Accepted;
        if (undecided && block.timestamp > found.terms.expiry) found.state = OfferState.Expired;
    }

    /// @inheritdoc IInvoiceFinancing
    function quote(uint256 offerId, uint32 valueDay) external view returns (Legs memory) {
        return _legs(_known(offerId), valueDay);
    }

    function _checkInvoice(InvoiceTerms calldata terms) private view {
        _requireHash(terms.invoiceHash, "invoiceHash");
        if (terms.sellerId == 0) revert ZeroParty("sellerId");
        if (terms.buyerId == 0) revert ZeroParty("buyerId");
        if (terms.buyerBank != 0 && !CONSORTIUM.isBank(terms.buyerBank)) revert BuyersBankNotABank(terms.buyerBank);
        if (terms.amount == 0) revert AmountZero();
        if (terms.amount > MAX_AMOUNT) revert AmountTooLarge(terms.amount, MAX_AMOUNT);
        for (uint256 i = 0; i < 3; ++i) {
            if (terms.currency[i] < "A" || terms.currency[i] > "Z") revert BadCurrency(terms.currency);
        }
        if (terms.exponent > 4 || terms.exponent == 1) revert BadExponent(terms.exponent);
        if (terms.dueDay < terms.issueDay) revert DueBeforeIssue(terms.issueDay, terms.dueDay);
        // A day later may have begun already where the invoice was written.
        if (terms.issueDay > _today() + 1) revert IssuedInTheFuture(terms.issueDay, _today());
        if (terms.dueDay < _today()) revert InvoiceOverdue(terms.dueDay, _today());
        if (terms.dueDay > _today() + MAX_TENOR_DAYS) revert DueTooFar(terms.dueDay, _today() + MAX_TENOR_DAYS);
    }

    function _checkOffer(bytes32 bank, OfferTerms calldata terms) private view {
        if (terms.rateBps > MAX_RATE_BPS) revert RateOutOfRange(terms.rateBps, MAX_RATE_BPS);
        if (terms.advanceBps == 0 || terms.advanceBps > MAX_ADVANCE_BPS) {
            revert AdvanceOutOfRange(terms.advanceBps, MAX_ADVANCE_BPS);
        }
        uint32 dueDay = _invoice.terms.dueDay;
        if (dueDay < _today()) revert InvoiceOverdue(dueDay, _today());
        if (terms.expectedPaymentDay < dueDay) revert ExpectedPaymentBeforeDue(terms.expectedPaymentDay, dueDay);
        if (terms.expectedPaymentDay > dueDay + MAX_GRACE_DAYS) {
            revert ExpectedPaymentTooLate(terms.expectedPaymentDay, dueDay + MAX_GRACE_DAYS);
        }
        _requireAttestation(bank, terms.selfAttested, bank == _invoice.terms.buyerBank);
    }

    /// @dev The seller relies on an accepted offer until it expires, so its bank alone cannot withdraw it.
    function _requireMayEndAccepted(bytes32 bank, Offer storage offer) private view {
        if (bank == _invoice.sellerBank) return;
        bool expired = block.timestamp > offer.terms.expiry;
        if (!expired || bank != offer.bank) revert NotSellersBank(bank, _invoice.sellerBank);
    }

    function _legs(Offer storage offer, uint32 valueDay) private view returns (Legs memory) {
        OfferTerms storage terms = offer.terms;
        if (valueDay > terms.expectedPaymentDay) revert ValueDayOutOfRange(valueDay, 0, terms.expectedPaymentDay);
        return legsOf(
            _invoice.terms.amount,
            terms.fractionBps,
            terms.advanceBps,
            terms.rateBps,
            terms.expectedPaymentDay - valueDay,
            terms.dayCount
        );
    }

    function _callingBank() private view returns (bytes32 bank) {
        bank = CONSORTIUM.memberOf(msg.sender);
        if (!CONSORTIUM.isBank(bank)) revert NotABank(msg.sender);
    }

    function _requireFinancingBank(Offer storage offer) private view returns (bytes32 bank) {
        bank = _callingBank();
        if (bank != offer.bank) revert NotFinancingBank(bank, offer.bank);
    }

    function _known(uint256 offerId) private view returns (Offer storage offer) {
        offer = _offers[offerId];
        if (offer.state == OfferState.None) revert UnknownOffer(offerId);
    }

    function _offerIn(uint256 offerId, OfferState wanted) private view returns (Offer storage offer) {
        offer = _known(offerId);
        if (offer.state != wanted) revert OfferInWrongState(offerId, offer.state, wanted);
    }

    function _requireInTime(uint256 offerId, Offer storage offer) private view {
        uint64 nowAt = uint64(block.timestamp);
        if (nowAt > offer.terms.expiry) revert OfferHasExpired(offerId, offer.terms.expiry, nowAt);
    }

    function _requireAttestation(bytes32 bank, bool declared, bool found) private pure {
        if (declared != found) revert SelfAttestationMismatch(bank, declared, found);
    }

    function _requireHash(bytes32 value, string memory field) private pure {
        if (value == 0) revert ZeroHash(field);
    }

    /// @dev The UTC day of the block.
    function _today() private view returns (uint32) {
        return uint32(block.timestamp / 1 days);
    }
}
