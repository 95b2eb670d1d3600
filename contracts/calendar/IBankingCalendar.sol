// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Banking days and hours of places (UCP 600 articles 2, 14(b), 29 and 33)
/// @notice A *place* is a UN/LOCODE-like name in ASCII, left-aligned in 32 bytes: "HKHKG", "CNSHA", "SGSIN", "GBLON", "USNYC".
/// It is an opaque key here, so a bank with pre-lodged differences gets a calendar under a key of its own (a member's
/// key is Consortium's `placeOf`).
///
/// A *day* is a civil date at the place, as the number of days since 1970-01-01 in the proleptic Gregorian calendar.
/// Hours are seconds relative to 00:00:00 UTC of that same civil date, so a place east of UTC may open at a negative
/// number and one west of it may close beyond 86,400. Daylight saving time is nothing but another segment of hours.
///
/// Inside the *horizon* of a place (its published years) answers are agreed. Outside, and for a place without a
/// calendar, Monday to Friday count as banking days that close at 24:00 UTC, and the answer says `provisional`.
interface IBankingCalendar {
    /// @notice Hours in force from a civil date until the next segment's.
    /// @param firstDay first civil date (days since 1970-01-01)
    /// @param opens opening, in seconds relative to 00:00 UTC of the civil date
    /// @param closes closing, likewise; later than `opens`
    struct Hours {
        uint32 firstDay;
        int32 opens;
        int32 closes;
    }

    /// @notice One place and year, as published.
    /// @param place the calendar's key
    /// @param year Gregorian year, 1971 to 9999
    /// @param bankingDays bit i of word w = 1 January + (256 w + i) days is a banking day; i = 0 is the lowest bit.
    /// Bits beyond the year's last day must be 0.
    /// @param segments hours, strictly ascending by `firstDay`; the first one is 1 January, all lie inside the year. A short
    /// day (Hong Kong's Christmas Eve) is two segments: one for the day, one for the day after.
    struct Year {
        bytes32 place;
        uint16 year;
        uint256[2] bankingDays;
        Hours[] segments;
    }

    /// @notice A published year in the order of publication; the list only grows.
    /// @param digest keccak256 of the ABI encoding of the `Year`
    struct Publication {
        bytes32 place;
        uint16 year;
        uint64 publishedAt;
        bytes32 digest;
    }

    /// @notice The year became part of the place's horizon. `version` counts publications from 1.
    event YearPublished(bytes32 indexed place, uint16 indexed year, uint256 version, bytes32 digest);

    error CalendarNotGenesis(address sender);
    error CalendarAlreadyInitialized();
    error CalendarPlaceMissing(uint16 year);
    error CalendarYearOutOfRange(bytes32 place, uint16 year);
    /// @notice Years of a place are published in order, without a gap; `expected` is the next one.
    error CalendarYearNotNext(bytes32 place, uint16 year, uint16 expected);
    error CalendarBitBeyondYear(bytes32 place, uint16 year, uint256 word);
    error CalendarHoursInvalid(bytes32 place, uint16 year, uint256 index);
    error CalendarNoBankingDay(bytes32 place, uint32 day);

    /// @notice Fills the calendar once, at genesis. Later years come by the members' vote, which is not built yet:
    /// the contract has the internal hook for it and no other door.
    /// @param list years of any places, each place's years ascending and without gaps
    function initialize(Year[] calldata list) external;

    /// @notice Number of publications so far; stored with each deadline that is computed.
    function version() external view returns (uint256 count);

    /// @notice The i-th publication, from 0.
    function publication(uint256 index) external view returns (Publication memory published);

    /// @notice First and last civil day that are agreed for a place; (0, 0) for a place without a calendar.
    function horizonOf(bytes32 place) external view returns (uint32 firstDay, uint32 lastDay);

    /// @notice True on a day on which the bank is regularly open at the place (article 2, "banking day").
    function isBankingDay(bytes32 place, uint32 day) external view returns (bool banking, bool provisional);

    /// @notice Opening and closing instants of a civil day in Unix seconds, whether it is a banking day or not.
    function hoursOf(bytes32 place, uint32 day) external view returns (uint64 opensAt, uint64 closesAt);

    /// @notice Closing instant of a civil day in Unix seconds, whether it is a banking day or not.
    function closeOf(bytes32 place, uint32 day) external view returns (uint64 closesAt);

    /// @notice The banking day on which a receipt counts: the first that has not closed before it (article 33).
    function bankingDayOf(bytes32 place, uint64 timestamp) external view returns (uint32 day, bool provisional);

    /// @notice The first banking day that is not before a date, and its closing instant (article 29(a)).
    function bankingDayFrom(bytes32 place, uint32 day)
        external
        view
        returns (uint64 closesAt, uint32 bankingDay, bool provisional);

    /// @notice The n-th banking day following a day, and its closing instant (article 14(b): n = 5).
    function addBankingDays(bytes32 place, uint32 day, uint16 n)
        external
        view
        returns (uint64 deadline, uint32 bankingDay, bool provisional);
}
