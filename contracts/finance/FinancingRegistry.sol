// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GenesisInitializable} from "../governance/GenesisInitializable.sol";
import {SystemAddresses} from "../libraries/SystemAddresses.sol";
import {IFinancingRegistry} from "./IFinancingRegistry.sol";

/// @title What the registry asks of the factory
interface IFinancingDirectory {
    function isFinancing(address candidate) external view returns (bool);
}

/// @title The shared registry against duplicate financing
/// @notice Expiry is derived from block time at every read and act: a hold whose time is over counts no more, and no keeper is
/// needed. A tag is known by value, key version and view together, so nobody can spoil another's tag by a false version.
contract FinancingRegistry is IFinancingRegistry, GenesisInitializable {
    struct TagRecord {
        uint32 registrations;
        uint16 financedBps;
        uint16 paidBps;
        bool tombstoned;
    }

    uint16 public constant WHOLE_BPS = 10_000;
    /// @notice The smallest fraction, which bounds the live holds of one tag to a hundred.
    uint16 public constant MIN_FRACTION_BPS = 100;
    uint256 public constant MAX_TAGS = 8;

    error LimitZero();

    IFinancingDirectory private constant FACTORY = IFinancingDirectory(SystemAddresses.INVOICE_FINANCING_FACTORY);

    /// @notice How many live holds one bank may have.
    uint32 public maxHoldsForBank;
    /// @notice The longest time from making a hold to its expiry.
    uint64 public maxHoldSeconds;
    uint256 private _lastHoldId;
    mapping(uint256 holdId => Hold) private _holds;
    mapping(bytes32 tagKey => TagRecord) private _records;
    mapping(bytes32 tagKey => uint256[] holdIds) private _holdsOfTag;
    mapping(bytes32 bank => uint256[] holdIds) private _holdsOfBank;
    mapping(address financing => Tag[]) private _tags;

    modifier onlyFinancing() {
        if (!FACTORY.isFinancing(msg.sender)) revert NotAFinancing(msg.sender);
        _;
    }

    /// @notice Sets the limits; called once, by genesis making.
    function initialize(uint32 maxHoldsForBank_, uint64 maxHoldSeconds_) external onlyGenesis initializer {
        if (maxHoldsForBank_ == 0 || maxHoldSeconds_ == 0) revert LimitZero();
        maxHoldsForBank = maxHoldsForBank_;
        maxHoldSeconds = maxHoldSeconds_;
    }

    /// @inheritdoc IFinancingRegistry
    function register(Tag[] calldata tags) external onlyFinancing {
        if (_tags[msg.sender].length != 0) revert AlreadyRegistered(msg.sender);
        if (tags.length > MAX_TAGS) revert TooManyTags(tags.length, MAX_TAGS);
        bool exact = false;
        for (uint256 i = 0; i < tags.length; ++i) {
            Tag calldata tag = tags[i];
            if (tag.value == 0) revert ZeroTag(i);
            for (uint256 j = 0; j < i; ++j) {
                if (_keyOf(tags[j]) == _keyOf(tag)) revert DuplicateTag(tag.value);
                // One invoice has one exact tag under one key: a second would hold somebody else's invoice too.
                bool bothExact = tags[j].tagView == TagView.Exact && tag.tagView == TagView.Exact;
                if (bothExact && tags[j].keyVersion == tag.keyVersion) revert SecondExactTag(tag.value);
            }
            exact = exact || tag.tagView == TagView.Exact;
            uint32 registrations = ++_records[_keyOf(tag)].registrations;
            _tags[msg.sender].push(tag);
            emit TagRegistered(tag.value, msg.sender, tag.keyVersion, tag.tagView, registrations);
        }
        if (!exact) revert NoExactTag();
    }

    /// @inheritdoc IFinancingRegistry
    function hold(bytes32 bank, uint16 fractionBps, uint64 expiry) external onlyFinancing returns (uint256 holdId) {
        if (fractionBps < MIN_FRACTION_BPS || fractionBps > WHOLE_BPS) {
            revert FractionOutOfRange(fractionBps, MIN_FRACTION_BPS, WHOLE_BPS);
        }
        uint64 nowAt = uint64(block.timestamp);
        if (expiry <= nowAt) revert ExpiryInThePast(expiry, nowAt);
        if (expiry > nowAt + maxHoldSeconds) revert HoldTooLong(expiry, nowAt + maxHoldSeconds);
        _sweep(_holdsOfBank[bank]);
        if (_holdsOfBank[bank].length >= maxHoldsForBank) revert HoldLimitReached(bank, maxHoldsForBank);

        holdId = ++_lastHoldId;
        _holdsOfBank[bank].push(holdId);
        bytes32[] memory keys = _exactKeys(msg.sender);
        for (uint256 i = 0; i < keys.length; ++i) _claim(keys[i], holdId, fractionBps);
        _holds[holdId] = Hold({
            bank: bank,
            financing: msg.sender,
            expiry: expiry,
            fractionBps: fractionBps,
            state: HoldState.Held
        });
        emit HoldPlaced(holdId, msg.sender, bank, fractionBps, expiry);
    }

    /// @inheritdoc IFinancingRegistry
    function finance(uint256 holdId) external onlyFinancing {
        Hold storage claim = _ownHold(holdId, HoldState.Held);
        if (!_isLive(claim)) revert HoldHasExpired(holdId, claim.expiry, uint64(block.timestamp));
        claim.state = HoldState.Financed;
        _remove(_holdsOfBank[claim.bank], holdId);
        bytes32[] memory keys = _exactKeys(msg.sender);
        for (uint256 i = 0; i < keys.length; ++i) {
            TagRecord storage tag = _records[keys[i]];
            if (tag.tombstoned) revert TombstoneHit(_valueOf(msg.sender, keys[i]));
            _remove(_holdsOfTag[keys[i]], holdId);
            tag.financedBps += claim.fractionBps;
        }
        emit HoldFinanced(holdId, msg.sender, claim.fractionBps);
    }

    /// @inheritdoc IFinancingRegistry
    function release(uint256 holdId) external onlyFinancing {
        Hold storage claim = _holds[holdId];
        bool wasFinanced = claim.state == HoldState.Financed;
        claim = _ownHold(holdId, wasFinanced ? HoldState.Financed : HoldState.Held);
        claim.state = HoldState.Released;
        bytes32[] memory keys = _exactKeys(msg.sender);
        for (uint256 i = 0; i < keys.length; ++i) {
            if (wasFinanced) {
                _records[keys[i]].financedBps -= claim.fractionBps;
                _buryIfPaid(keys[i]);
            } else {
                _remove(_holdsOfTag[keys[i]], holdId);
            }
        }
        if (!wasFinanced) _remove(_holdsOfBank[claim.bank], holdId);
        emit HoldReleased(holdId, msg.sender, wasFinanced);
    }

    /// @inheritdoc IFinancingRegistry
    function markPaid(uint256 holdId) external onlyFinancing {
        Hold storage claim = _ownHold(holdId, HoldState.Financed);
        claim.state = HoldState.Paid;
        bytes32[] memory keys = _exactKeys(msg.sender);
        emit HoldPaid(holdId, msg.sender);
        for (uint256 i = 0; i < keys.length; ++i) {
            _records[keys[i]].paidBps += claim.fractionBps;
            _buryIfPaid(keys[i]);
        }
    }

    /// @inheritdoc IFinancingRegistry
    function statusOf(Tag calldata tag) external view returns (TagStatus memory) {
        bytes32 key = _keyOf(tag);
        TagRecord storage found = _records[key];
        uint16 held = _heldBps(key);
        return TagStatus({
            registrations: found.registrations,
            heldBps: held,
            financedBps: found.financedBps,
            paidBps: found.paidBps,
            freeBps: found.tombstoned ? 0 : WHOLE_BPS - found.financedBps - held,
            tombstoned: found.tombstoned
        });
    }

    /// @inheritdoc IFinancingRegistry
    function holdOf(uint256 holdId) external view returns (Hold memory found) {
        found = _holds[holdId];
        if (found.state == HoldState.Held && !_isLive(_holds[holdId])) found.state = HoldState.Expired;
    }

    /// @inheritdoc IFinancingRegistry
    function liveHoldsOf(bytes32 bank) external view returns (uint256 live) {
        uint256[] storage ids = _holdsOfBank[bank];
        for (uint256 i = 0; i < ids.length; ++i) {
            if (_isLive(_holds[ids[i]])) ++live;
        }
    }

    /// @inheritdoc IFinancingRegistry
    function tagsOf(address financing) external view returns (Tag[] memory) {
        return _tags[financing];
    }

    /// @dev The one place where a race is decided: what the earlier transaction took is not free any more.
    function _claim(bytes32 key, uint256 holdId, uint16 fractionBps) private {
        TagRecord storage tag = _records[key];
        if (tag.tombstoned) revert TombstoneHit(_valueOf(msg.sender, key));
        _sweep(_holdsOfTag[key]);
        uint16 free = WHOLE_BPS - tag.financedBps - _heldBps(key);
        if (fractionBps > free) revert TagTaken(_valueOf(msg.sender, key), fractionBps, free);
        _holdsOfTag[key].push(holdId);
    }

    function _buryIfPaid(bytes32 key) private {
        TagRecord storage tag = _records[key];
        if (tag.paidBps == 0 || tag.paidBps != tag.financedBps) return;
        tag.tombstoned = true;
        emit TagTombstoned(_valueOf(msg.sender, key));
    }

    function _ownHold(uint256 holdId, HoldState wanted) private view returns (Hold storage claim) {
        claim = _holds[holdId];
        if (claim.financing != msg.sender) revert HoldNotOfCaller(holdId, claim.financing, msg.sender);
        if (claim.state != wanted) revert HoldInWrongState(holdId, claim.state);
    }

    function _isLive(Hold storage claim) private view returns (bool) {
        return claim.state == HoldState.Held && block.timestamp <= claim.expiry;
    }

    function _heldBps(bytes32 key) private view returns (uint16 held) {
        uint256[] storage ids = _holdsOfTag[key];
        for (uint256 i = 0; i < ids.length; ++i) {
            Hold storage claim = _holds[ids[i]];
            if (_isLive(claim)) held += claim.fractionBps;
        }
    }

    /// @dev Forgets the holds whose time is over.
    function _sweep(uint256[] storage ids) private {
        uint256 i = 0;
        while (i < ids.length) {
            if (_isLive(_holds[ids[i]])) {
                ++i;
            } else {
                ids[i] = ids[ids.length - 1];
                ids.pop();
            }
        }
    }

    /// @dev An expired hold may have been swept already: then there is nothing to remove.
    function _remove(uint256[] storage ids, uint256 holdId) private {
        for (uint256 i = 0; i < ids.length; ++i) {
            if (ids[i] != holdId) continue;
            ids[i] = ids[ids.length - 1];
            ids.pop();
            return;
        }
    }

    function _keyOf(Tag memory tag) private pure returns (bytes32) {
        return keccak256(abi.encode(tag.value, tag.keyVersion, tag.tagView));
    }

    function _exactKeys(address financing) private view returns (bytes32[] memory keys) {
        Tag[] storage tags = _tags[financing];
        uint256 count = 0;
        keys = new bytes32[](tags.length);
        for (uint256 i = 0; i < tags.length; ++i) {
            if (tags[i].tagView == TagView.Exact) keys[count++] = _keyOf(tags[i]);
        }
        assembly ("memory-safe") {
            mstore(keys, count)
        }
    }

    /// @dev For errors and events only, which name the tag's value.
    function _valueOf(address financing, bytes32 key) private view returns (bytes32 value) {
        Tag[] storage tags = _tags[financing];
        for (uint256 i = 0; i < tags.length; ++i) {
            if (_keyOf(tags[i]) == key) return tags[i].value;
        }
    }
}
