// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DayCount, Legs} from "./Economics.sol";
import {IFinancingRegistry} from "./IFinancingRegistry.sol";

/// @title One invoice on its way to finance
/// @notice Seller and buyer are no members: they are random ids, and their consent is an act of the bank that serves them,
/// with the hash of their signed instruction. Every act carries the hash of the maker's and the checker's approvals.
/// Days are numbers of days since 1970-01-01, amounts are minor units of the currency.
interface IInvoiceFinancing {
    struct InvoiceTerms {
        /// Salted hash of the invoice document.
        bytes32 invoiceHash;
        bytes32 sellerId;
        bytes32 buyerId;
        /// The member that serves the buyer; zero where no member does.
        bytes32 buyerBank;
        /// The payable amount.
        uint128 amount;
        /// ISO 4217 code, with the number of its decimals.
        bytes3 currency;
        uint8 exponent;
        uint32 issueDay;
        uint32 dueDay;
    }

    struct OfferTerms {
        /// Rate a year, in basis points of simple straight discount.
        uint32 rateBps;
        DayCount dayCount;
        /// The share of the eligible amount that is advanced.
        uint16 advanceBps;
        /// The share of the invoice that is financed and held in the registry.
        uint16 fractionBps;
        /// The day on which payment is expected, grace included: the discount runs to it.
        uint32 expectedPaymentDay;
        /// Last second of the offer and of its hold.
        uint64 expiry;
        bool withRecourse;
        /// No disbursement before the buyer's bank has recorded the buyer's acceptance.
        bool needsBuyerAcceptance;
        /// Declared where the financing bank is the buyer's bank too, whose acceptance is then no independent word.
        bool selfAttested;
    }

    enum OfferState {
        None,
        Open,
        Accepted,
        Disbursed,
        Repaid,
        Released,
        Expired
    }

    struct Offer {
        bytes32 bank;
        OfferTerms terms;
        OfferState state;
        uint256 holdId;
        uint32 valueDay;
        Legs legs;
        uint128 collected;
    }

    struct Invoice {
        InvoiceTerms terms;
        bytes32 sellerBank;
        uint64 registeredAt;
        uint64 buyerAcceptedAt;
        bool buyerAcceptanceSelfAttested;
        bytes32 buyerInstructionHash;
        uint256 offerCount;
    }

    event InvoiceRegistered(
        bytes32 indexed sellerBank,
        bytes32 indexed buyerBank,
        bytes32 indexed invoiceHash,
        InvoiceTerms terms,
        bytes32 approvalsHash
    );
    event BuyerAccepted(bytes32 indexed buyerBank, bytes32 instructionHash, bool selfAttested, bytes32 approvalsHash);
    event OfferMade(
        uint256 indexed offerId, bytes32 indexed bank, uint256 indexed holdId, OfferTerms terms, bytes32 approvalsHash
    );
    /// @notice `selfAttested` where the seller's bank accepted its own offer for the seller.
    event OfferAccepted(
        uint256 indexed offerId,
        bytes32 indexed sellerBank,
        bytes32 instructionHash,
        bool selfAttested,
        bytes32 approvalsHash
    );
    event Disbursed(
        uint256 indexed offerId,
        bytes32 indexed bank,
        uint32 valueDay,
        Legs legs,
        bytes32 proofHash,
        bytes32 approvalsHash
    );
    /// @notice `toAdvance` and `toReserve` are the parts of this payment; what goes to the reserve is released to the seller.
    event RepaymentReceived(
        uint256 indexed offerId,
        uint128 amount,
        uint128 toAdvance,
        uint128 toReserve,
        uint128 outstanding,
        bytes32 proofHash,
        bytes32 approvalsHash
    );
    event FinancingRepaid(uint256 indexed offerId, bytes32 indexed bank);
    event OfferReleased(
        uint256 indexed offerId, bytes32 indexed bank, OfferState before, bytes32 proofHash, bytes32 approvalsHash
    );

    error NotFactory(address caller);
    error NotABank(address caller);
    error NotSellersBank(bytes32 caller, bytes32 sellerBank);
    error NotBuyersBank(bytes32 caller, bytes32 buyerBank);
    error NotFinancingBank(bytes32 caller, bytes32 financingBank);
    error ZeroHash(string field);
    error ZeroParty(string field);
    error BuyersBankNotABank(bytes32 buyerBank);
    error AmountZero();
    error AmountTooLarge(uint128 amount, uint128 limit);
    error BadCurrency(bytes3 currency);
    error BadExponent(uint8 exponent);
    error DueBeforeIssue(uint32 issueDay, uint32 dueDay);
    error IssuedInTheFuture(uint32 issueDay, uint32 today);
    error InvoiceOverdue(uint32 dueDay, uint32 today);
    error DueTooFar(uint32 dueDay, uint32 latest);
    error BuyerAlreadyAccepted(uint64 acceptedAt);
    error BuyerAcceptanceMissing();
    /// @notice One bank speaks for both sides: the act must say so, and no other act may.
    error SelfAttestationMismatch(bytes32 bank, bool declared, bool found);
    error RateOutOfRange(uint32 rateBps, uint32 limit);
    error AdvanceOutOfRange(uint16 advanceBps, uint16 limit);
    error ExpectedPaymentBeforeDue(uint32 expectedPaymentDay, uint32 dueDay);
    error ExpectedPaymentTooLate(uint32 expectedPaymentDay, uint32 latest);
    error UnknownOffer(uint256 offerId);
    error OfferInWrongState(uint256 offerId, OfferState state, OfferState wanted);
    error OfferHasExpired(uint256 offerId, uint64 expiry, uint64 nowAt);
    error ValueDayOutOfRange(uint32 valueDay, uint32 earliest, uint32 latest);
    error NothingToPayOut(uint128 advance, uint128 discount);
    error RepaymentZero();
    error RepaymentTooLarge(uint128 amount, uint128 outstanding);

    /// @notice Called once by the factory, for the bank that registers for its customer, the seller.
    function initialize(
        bytes32 sellerBank,
        InvoiceTerms calldata terms,
        IFinancingRegistry.Tag[] calldata tags,
        bytes32 approvalsHash
    ) external;

    /// @notice The buyer's bank records the buyer's acceptance, which is irrevocable.
    function recordBuyerAcceptance(bytes32 instructionHash, bool selfAttested, bytes32 approvalsHash) external;

    /// @notice Any bank offers finance; its HOLD in the registry is made with the offer, or the offer fails.
    function makeOffer(OfferTerms calldata terms, bytes32 approvalsHash) external returns (uint256 offerId);

    /// @notice The seller's bank accepts for the seller.
    function acceptOffer(uint256 offerId, bytes32 instructionHash, bytes32 approvalsHash) external;

    /// @notice The financing bank has paid; the hold must still be alive and becomes FINANCED.
    /// @param valueDay The value date of the payment, from which the discount runs (that day excluded).
    function disburse(uint256 offerId, uint32 valueDay, bytes32 proofHash, bytes32 approvalsHash) external;

    /// @notice The financing bank has been paid, in full or in part.
    function repay(uint256 offerId, uint128 amount, bytes32 proofHash, bytes32 approvalsHash) external;

    /// @notice Ends an offer without payment of the invoice, and frees its fraction. An open offer: withdrawn by its bank, or
    /// declined by the seller's. An accepted one: by the seller's bank, or by either once it has expired. A disbursed one:
    /// by the financing bank, with proof that the advance came back.
    function release(uint256 offerId, bytes32 proofHash, bytes32 approvalsHash) external;

    function invoice() external view returns (Invoice memory);

    /// @notice The offer, `Expired` where it was not disbursed in time.
    function offerOf(uint256 offerId) external view returns (Offer memory);

    /// @notice The legs of an offer if it were disbursed with this value date.
    function quote(uint256 offerId, uint32 valueDay) external view returns (Legs memory);
}
