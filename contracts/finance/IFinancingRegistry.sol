// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The shared registry against duplicate financing
/// @notice It holds tags, never data. Registering excludes nobody; a HOLD does, and a FINANCED fraction, and the tombstone of
/// a paid invoice. The order of transactions decides a race.
interface IFinancingRegistry {
    /// @notice Which normalisation of the invoice a tag was made of. Only `Exact` excludes; the others warn.
    enum TagView {
        Exact,
        NormalisedNumber,
        NoDate,
        NoAmount,
        PurchaseOrder,
        TransportDocument
    }

    /// @notice One keyed tag: the tag function's output with the version of its key.
    struct Tag {
        bytes32 value;
        uint32 keyVersion;
        TagView tagView;
    }

    enum HoldState {
        None,
        Held,
        Financed,
        Paid,
        Released,
        Expired
    }

    /// @notice A bank's claim on a fraction of an invoice.
    struct Hold {
        bytes32 bank;
        address financing;
        uint64 expiry;
        uint16 fractionBps;
        HoldState state;
    }

    /// @notice What a bank may know of a tag: how much is free, never whose the rest is.
    struct TagStatus {
        uint32 registrations;
        uint16 heldBps;
        uint16 financedBps;
        uint16 paidBps;
        uint16 freeBps;
        bool tombstoned;
    }

    event TagRegistered(
        bytes32 indexed tag, address indexed financing, uint32 keyVersion, TagView tagView, uint32 registrations
    );
    event HoldPlaced(
        uint256 indexed holdId, address indexed financing, bytes32 indexed bank, uint16 fractionBps, uint64 expiry
    );
    event HoldFinanced(uint256 indexed holdId, address indexed financing, uint16 fractionBps);
    event HoldReleased(uint256 indexed holdId, address indexed financing, bool wasFinanced);
    event HoldPaid(uint256 indexed holdId, address indexed financing);
    event TagTombstoned(bytes32 indexed tag);

    error NotAFinancing(address caller);
    error AlreadyRegistered(address financing);
    error NoExactTag();
    error TooManyTags(uint256 given, uint256 limit);
    error DuplicateTag(bytes32 tag);
    /// @notice Two exact tags under one version of the key cannot be of one invoice.
    error SecondExactTag(bytes32 tag);
    error ZeroTag(uint256 index);
    error FractionOutOfRange(uint16 fractionBps, uint16 minimum, uint16 maximum);
    error ExpiryInThePast(uint64 expiry, uint64 nowAt);
    error HoldTooLong(uint64 expiry, uint64 latest);
    error HoldLimitReached(bytes32 bank, uint256 limit);
    /// @notice Another claim on this invoice came first: less than the wanted fraction is free.
    error TagTaken(bytes32 tag, uint16 wantedBps, uint16 freeBps);
    /// @notice The invoice has been financed and paid; it cannot be financed again.
    error TombstoneHit(bytes32 tag);
    error HoldNotOfCaller(uint256 holdId, address financing, address caller);
    error HoldInWrongState(uint256 holdId, HoldState state);
    error HoldHasExpired(uint256 holdId, uint64 expiry, uint64 nowAt);

    /// @notice Registers the calling financing's tags. Never excludes anyone.
    function register(Tag[] calldata tags) external;

    /// @notice Claims a fraction of the calling financing's invoice for a bank until `expiry`, the last second of the hold.
    function hold(bytes32 bank, uint16 fractionBps, uint64 expiry) external returns (uint256 holdId);

    /// @notice Turns a live hold into a financed fraction.
    function finance(uint256 holdId) external;

    /// @notice Gives a held or financed fraction free.
    function release(uint256 holdId) external;

    /// @notice A financed fraction was paid; once all financed fractions are, the tag is a tombstone.
    function markPaid(uint256 holdId) external;

    function statusOf(Tag calldata tag) external view returns (TagStatus memory);

    /// @notice The hold, `Expired` where it was held and its time is over.
    function holdOf(uint256 holdId) external view returns (Hold memory);

    /// @notice Number of the bank's holds that count towards its limit now.
    function liveHoldsOf(bytes32 bank) external view returns (uint256);

    function tagsOf(address financing) external view returns (Tag[] memory);
}
